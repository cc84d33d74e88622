import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/**
 * Writes record batches as Apache Kafka's own classes make them, with what they hold. `make`
 * beside this file runs it.
 *
 * Lines of the output are JSON objects: {"name", "bytes": base64 of one batch, "baseOffset",
 * "leaderEpoch", "codec", "logAppendTime", "transactional", "control", "lastOffsetDelta",
 * "baseTimestamp", "maxTimestamp", "producerId", "producerEpoch", "baseSequence", "crc",
 * "records": [{"offset", "timestamp", "key", "value", "headers": [[name, value]]}]}, where key,
 * value and the value of a header are base64 or null. All of it is read back from the batch by
 * Kafka's reader, and not taken from what was put in.
 */
public class Batches {
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final long TIME = 1_700_000_000_000L;
    static final Random RANDOM = new Random(20251124);
    static Writer out;
    static int lines;

    record Entry(long offset, long timestamp, byte[] key, byte[] value, Header... headers) {}

    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] repeated(String text, int times) {
        return text(text.repeat(times));
    }

    static byte[] noise(int size) {
        byte[] bytes = new byte[size];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    /** Numbers of one to three bytes in every place, nulls, empties, headers, times that go back. */
    static List<Entry> mixed(long base) {
        List<Entry> entries = new ArrayList<>();
        entries.add(new Entry(base, TIME, text("key"), text("value")));
        entries.add(new Entry(base + 1, TIME - 5, null, text("no key, and five ms before")));
        entries.add(new Entry(base + 2, TIME + 63, text("tombstone"), null));
        entries.add(new Entry(base + 3, TIME + 64, null, null));
        entries.add(new Entry(base + 4, TIME - 64, new byte[0], new byte[0],
            new RecordHeader("", new byte[0])));
        entries.add(new Entry(base + 5, TIME - 65, text("h"), text("headers"),
            new RecordHeader("name", text("value")), new RecordHeader("name", (byte[]) null),
            new RecordHeader("größe", noise(70)), new RecordHeader("n".repeat(64), text("x"))));
        entries.add(new Entry(base + 6, TIME + 100_000_000, noise(63), noise(64)));
        entries.add(new Entry(base + 7, TIME - 100_000_000, noise(64), noise(63)));
        entries.add(new Entry(base + 8, 0, repeated("k", 8191), repeated("v", 8192)));
        entries.add(new Entry(base + 9, -1, noise(100), repeated("abc", 11_000)));
        for (int i = 10; i < 150; i++) {
            entries.add(new Entry(base + i, TIME + i, i % 3 == 0 ? null : text("k" + i),
                text("value " + i)));
        }
        return entries;
    }

    static MemoryRecordsBuilder builder(Compression codec, TimestampType type, long base,
                                        long logAppendTime, long producerId, int producerEpoch,
                                        int sequence, boolean transactional, boolean control,
                                        int leaderEpoch) {
        return new MemoryRecordsBuilder(new ByteBufferOutputStream(1 << 20),
            RecordBatch.MAGIC_VALUE_V2, codec, type, base, logAppendTime, producerId,
            (short) producerEpoch, sequence, transactional, control, leaderEpoch, 64 << 20);
    }

    static MemoryRecordsBuilder plain(Compression codec) {
        return builder(codec, TimestampType.CREATE_TIME, 0, -1, -1, -1, -1, false, false, -1);
    }

    static void append(MemoryRecordsBuilder builder, List<Entry> entries) {
        for (Entry entry : entries) {
            builder.appendWithOffset(entry.offset, entry.timestamp, entry.key, entry.value,
                entry.headers);
        }
    }

    static String base64(ByteBuffer bytes) {
        if (bytes == null) return null;
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return Base64.getEncoder().encodeToString(copy);
    }

    static void write(String name, MemoryRecords records) throws Exception {
        int batches = 0;
        for (RecordBatch batch : records.batches()) {
            write(name, records, batch);
            batches++;
        }
        if (batches != 1) throw new IllegalStateException(name + " is not one batch");
    }

    static void write(String name, MemoryRecords records, RecordBatch batch) throws Exception {
        batch.ensureValid();
        ObjectNode node = MAPPER.createObjectNode();
        node.put("name", name).put("bytes", base64(records.buffer()));
        node.put("baseOffset", batch.baseOffset()).put("leaderEpoch", batch.partitionLeaderEpoch());
        node.put("codec", batch.compressionType().name);
        node.put("logAppendTime", batch.timestampType() == TimestampType.LOG_APPEND_TIME);
        node.put("transactional", batch.isTransactional()).put("control", batch.isControlBatch());
        node.put("lastOffsetDelta", (int) (batch.lastOffset() - batch.baseOffset()));
        node.put("baseTimestamp", records.buffer().getLong(27));
        node.put("maxTimestamp", batch.maxTimestamp()).put("producerId", batch.producerId());
        node.put("producerEpoch", batch.producerEpoch()).put("baseSequence", batch.baseSequence());
        node.put("crc", batch.checksum());
        ArrayNode all = node.putArray("records");
        for (Record record : batch) {
            ObjectNode each = all.addObject();
            each.put("offset", record.offset()).put("timestamp", record.timestamp());
            each.put("key", base64(record.key())).put("value", base64(record.value()));
            ArrayNode headers = each.putArray("headers");
            for (Header header : record.headers()) {
                byte[] value = header.value();
                headers.addArray().add(header.key())
                    .add(value == null ? null : base64(ByteBuffer.wrap(value)));
            }
        }
        out.write(MAPPER.writeValueAsString(node));
        out.write('\n');
        lines++;
    }

    static void everyCodec(CompressionType type) throws Exception {
        Compression codec = Compression.of(type).build();
        MemoryRecordsBuilder small = plain(codec);
        append(small, List.of(new Entry(0, TIME, null, text("one record"))));
        write(type.name + ", one record", small.build());

        MemoryRecordsBuilder all = plain(codec);
        append(all, mixed(0));
        write(type.name + ", mixed", all.build());

        MemoryRecordsBuilder transactional = builder(codec, TimestampType.CREATE_TIME, 0, -1, 4711,
            12, 2_147_483_600, true, false, -1);
        append(transactional, mixed(0));
        write(type.name + ", transactional", transactional.build());

        MemoryRecordsBuilder appendTime = builder(codec, TimestampType.LOG_APPEND_TIME,
            1_234_567_890_123L, TIME + 777, -1, -1, -1, false, false, 42);
        append(appendTime, mixed(1_234_567_890_123L));
        write(type.name + ", log append time", appendTime.build());

        MemoryRecordsBuilder gaps = builder(codec, TimestampType.CREATE_TIME, 1000, -1, -1, -1, -1,
            false, false, 3);
        append(gaps, List.of(new Entry(1002, TIME, text("a"), text("compacted")),
            new Entry(1070, TIME + 1, text("b"), text("with gaps"))));
        gaps.overrideLastOffset(1100);
        write(type.name + ", compacted", gaps.build());

        // More than one of any codec's blocks, with bytes among them that no codec makes smaller.
        MemoryRecordsBuilder large = plain(codec);
        for (int i = 0; i < 6; i++) {
            large.appendWithOffset(i, TIME + i, noise(800), repeated("0123456789", 5000));
        }
        write(type.name + ", many blocks", large.build());
    }

    public static void main(String[] arguments) throws Exception {
        GZIPOutputStream zip = new GZIPOutputStream(new FileOutputStream(arguments[0])) {
            {
                def.setLevel(9);
            }
        };
        out = new BufferedWriter(new OutputStreamWriter(zip, StandardCharsets.UTF_8));
        for (CompressionType type : CompressionType.values()) everyCodec(type);
        for (ControlRecordType type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            write("marker, " + type.name().toLowerCase(),
                MemoryRecords.withEndTransactionMarker(99, TIME, 7, 4711, (short) 12,
                    new EndTransactionMarker(type, 5)));
        }
        out.close();
        System.out.println(lines + " batches");
    }
}
