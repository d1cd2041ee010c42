-- Reserves ids. $1 name  $2 how many. Returns the first.
UPDATE id_counter SET next = next + $2::bigint WHERE name = $1::text
RETURNING next - $2::bigint AS first;
