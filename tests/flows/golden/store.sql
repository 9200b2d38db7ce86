PRAGMA application_id = 1784772707;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    process_id INTEGER NOT NULL REFERENCES processes (id),
    layer_id INTEGER NOT NULL REFERENCES layers (id),
    status TEXT NOT NULL,
    error TEXT NOT NULL,
    at_utc TEXT NOT NULL,
    at_monotonic_s REAL NOT NULL,
    wall_s REAL,
    compile_s REAL,
    memory_bytes INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    work TEXT,
    hlo_hash TEXT NOT NULL,
    settled INTEGER NOT NULL,
    loops TEXT NOT NULL,
    calls TEXT NOT NULL,
    doubling TEXT NOT NULL,
    energy TEXT NOT NULL,
    state TEXT NOT NULL
);
INSERT INTO "attempts" VALUES(1,1,1,'','','2026-11-26T00:06:37.634+00:00',2.0,NULL,0.1,0,10,'dot','',0,'[{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"cpu_s":0.01}]','[{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01},{"steps":10,"duration_s":0.01,"shortest_s":0.001,"cpu_s":0.01}]','{"ratios":[2.0],"accepted":[true]}','{"energy_j":0.05,"power_w":50.0,"idle_power_w":10.0,"window_s":5.0,"meter":"counter"}','{}');
INSERT INTO "attempts" VALUES(2,1,2,'','','2026-11-26T00:06:37.642+00:00',2.0,NULL,0.1,0,10,'dot','',0,'[{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"cpu_s":0.02}]','[{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02},{"steps":10,"duration_s":0.02,"shortest_s":0.002,"cpu_s":0.02}]','{"ratios":[2.0],"accepted":[true]}','{"energy_j":0.1,"power_w":50.0,"idle_power_w":10.0,"window_s":5.0,"meter":"counter"}','{}');
INSERT INTO "attempts" VALUES(3,1,3,'','','2026-11-26T00:06:37.656+00:00',2.0,NULL,0.1,0,10,'dot','',0,'[{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"cpu_s":0.04}]','[{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04},{"steps":10,"duration_s":0.04,"shortest_s":0.004,"cpu_s":0.04}]','{"ratios":[2.0],"accepted":[true]}','{"energy_j":0.2,"power_w":50.0,"idle_power_w":10.0,"window_s":5.0,"meter":"counter"}','{}');
CREATE TABLE layers (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL REFERENCES partitions (id),
    position INTEGER NOT NULL,
    spec TEXT NOT NULL,
    UNIQUE (partition_id, spec)
);
INSERT INTO "layers" VALUES(1,1,0,'{"batch":1,"c_in":32,"c_out":64,"dilation":1,"dtype":"float32","groups":1,"in_h":1,"in_w":1,"k_h":1,"k_w":1,"line":1,"op":"dense","padding":"same","stride":1,"sweep":"s"}');
INSERT INTO "layers" VALUES(2,1,1,'{"batch":2,"c_in":32,"c_out":64,"dilation":1,"dtype":"float32","groups":1,"in_h":1,"in_w":1,"k_h":1,"k_w":1,"line":2,"op":"dense","padding":"same","stride":1,"sweep":"s"}');
INSERT INTO "layers" VALUES(3,1,2,'{"batch":4,"c_in":32,"c_out":64,"dilation":1,"dtype":"float32","groups":1,"in_h":1,"in_w":1,"k_h":1,"k_w":1,"line":4,"op":"dense","padding":"same","stride":1,"sweep":"s"}');
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    device TEXT NOT NULL,
    created_utc TEXT NOT NULL
);
INSERT INTO "partitions" VALUES(1,'{"jax":"1","platform":"cpu","processors":1}','{"kind":"Dee","name":"d","platform":"cpu"}','2026-11-26T00:06:37.613+00:00');
CREATE TABLE processes (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL REFERENCES partitions (id),
    slot INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    started_utc TEXT NOT NULL,
    started_monotonic_s REAL NOT NULL,
    seed INTEGER NOT NULL,
    provenance TEXT NOT NULL
);
INSERT INTO "processes" VALUES(1,1,0,1,'elsewhere','b','2026-11-26T00:06:37.625+00:00',1.0,0,'{}');
CREATE INDEX attempts_by_layer ON attempts (layer_id);
COMMIT;
