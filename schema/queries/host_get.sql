-- Where a host is and how to log on there. key_file is a path on the worker.
SELECT h.address, h.ssh_port, h.host_key, c.user_name, c.key_file
  FROM host h JOIN credential c USING (credential_id)
 WHERE h.host_id = $1::bigint;
