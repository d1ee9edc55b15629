// What the first version kept of its users and links, as it was read and found to be in order.

export interface LegacyUser {
  readonly line: number;
  readonly id: number;
  readonly username: string;
  readonly email: string;
  readonly createdAtMs: number;
}

export interface LegacyLink {
  readonly line: number;
  readonly id: number;
  readonly userId: number;
  readonly code: string;
  readonly originalUrl: string;
  readonly title: string;
  readonly isActive: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface LegacyEvent {
  readonly id: string;
  readonly user_id: string;
  readonly event_type: string;
  readonly timestamp: string;
  readonly details: string;
}
