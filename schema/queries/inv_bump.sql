-- Locks the inventory and raises its version; first in every transaction that changes it.
UPDATE inventory_version SET version = version + 1 RETURNING version;
