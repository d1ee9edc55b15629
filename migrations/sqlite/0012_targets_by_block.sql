-- Targets by blocks of 2,048 links: the numbers are without order, so that each new link took a page of the index of its own to
-- disk. Within the newest block the links of one transaction share a few. A search looks into each block.

drop index link_targets_key;
create index link_targets_block on link_targets (url_id >> 11, target_key);
