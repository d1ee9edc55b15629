// Migrations are imported as text.
declare module "*.sql" {
  const text: string;
  export default text;
}

/** Set by the build (--define); absent when run from source. */
declare const DEADLETTER_VERSION: string | undefined;
