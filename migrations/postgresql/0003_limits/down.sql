DROP TABLE tokens;
DROP TABLE devices;
DROP TABLE limits;
