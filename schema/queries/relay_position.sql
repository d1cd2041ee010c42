SELECT snapshot FROM relay;
