-- $1 snapshot whose events are all on the topic
INSERT INTO relay (one, snapshot) VALUES (true, $1::text)
ON CONFLICT (one) DO UPDATE SET snapshot = excluded.snapshot, saved_at = now();
