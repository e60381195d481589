#!/bin/sh
# One node of Cassandra in the foreground, every write synced before it is acknowledged (`commitlog_sync: batch`).
#
#   benches/peers/cassandra/node.sh JARS FOLDER HOST SEED
#
# JARS: where `mvn dependency:copy-dependencies -DoutputDirectory=JARS` put them; FOLDER: its data and configuration; HOST and
# SEED: its address and that of the first node. Java 17. Environment: HEAP (2g).
set -eu

jars=$1 folder=$2 host=$3 seed=$4
mkdir -p "$folder/triggers"
cat >"$folder/cassandra.yaml" <<YAML
cluster_name: bench
num_tokens: 16
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
data_file_directories: [ $folder/data ]
commitlog_directory: $folder/commitlog
saved_caches_directory: $folder/saved_caches
hints_directory: $folder/hints
cdc_raw_directory: $folder/cdc
commitlog_sync: batch
listen_address: $host
rpc_address: $host
storage_port: 7000
native_transport_port: 9042
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [ { seeds: "$seed" } ]
YAML
cat >"$folder/logback.xml" <<XML
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %d{HH:mm:ss} %logger{1} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
XML

# What its own start script opens for Java 17.
opened=""
for package in java.base/jdk.internal.misc java.base/java.lang.ref java.management.rmi/com.sun.jmx.remote.internal.rmi \
    java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql jdk.unsupported/sun.misc; do
    opened="$opened --add-exports $package=ALL-UNNAMED"
done
for package in java.io java.lang java.lang.module java.lang.reflect java.net java.nio java.util java.util.concurrent \
    java.util.concurrent.atomic jdk.internal.loader jdk.internal.math jdk.internal.module jdk.internal.ref \
    jdk.internal.reflect jdk.internal.util.jar sun.nio.ch; do
    opened="$opened --add-opens java.base/$package=ALL-UNNAMED"
done
opened="$opened --add-opens jdk.management/com.sun.management.internal=ALL-UNNAMED"

# shellcheck disable=SC2086
exec java -Xms"${HEAP:-2g}" -Xmx"${HEAP:-2g}" -XX:+UseG1GC -Djdk.attach.allowAttachSelf=true $opened \
    -cp "$folder:$jars/*" "-Dcassandra.config=file://$folder/cassandra.yaml" "-Dcassandra.storagedir=$folder" \
    "-Dcassandra.triggers_dir=$folder/triggers" "-Dlogback.configurationFile=$folder/logback.xml" \
    -Dcassandra-foreground=yes -Dcassandra.ring_delay_ms=2000 -Dcassandra.skip_wait_for_gossip_to_settle=0 \
    org.apache.cassandra.service.CassandraDaemon
