-- Ids from here on were given to nobody.
SELECT next FROM id_counter WHERE name = 'task';
