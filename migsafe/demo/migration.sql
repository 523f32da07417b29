-- People asked for their full name: call the column what it is.
ALTER TABLE users RENAME COLUMN name TO full_name;
