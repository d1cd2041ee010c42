-- Workers that are to be watched: alive and not gone, or gone or dead with subtasks not swept yet.
SELECT worker_id, counter, died_at IS NOT NULL AS dead, left_at IS NOT NULL AS gone
  FROM worker WHERE NOT swept;
