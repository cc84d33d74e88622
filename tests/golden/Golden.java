import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.ResponseHeader;

/**
 * Writes bytes and JSON of Kafka messages as Apache Kafka's own classes make them: every message
 * that Dohle speaks, in every version, filled from a seed. `make` beside this file runs it.
 *
 * Lines of the output are JSON objects. A message:
 * {"message": schema, "version": n, "variant": how it was filled, "bytes": base64, "json": what
 * Kafka's JsonConverter says, "records": [base64 or null for each `records` field in order]}.
 * A header: {"header": "request" or "response", "apiKey", "version", "correlationId", "clientId",
 * "bytes"}. An error code: {"error": n, "name", "retriable"}.
 */
public class Golden {
    static final long SEED = 20251124;
    static final ObjectMapper MAPPER = new ObjectMapper().enable(JsonParser.Feature.ALLOW_COMMENTS);

    /** How a message is filled. */
    enum Variant {
        /** Every field differs from its default, every array has two elements. */
        FULL,
        /** Numbers at the ends of their ranges, long strings and arrays. */
        EXTREME,
        /** Nulls where they are allowed, empty strings and arrays, defaults. */
        EMPTY,
        /** The same within arrays of one element. */
        BARE,
        /** All of it at random. */
        MIXED
    }

    record Api(int key, String name, int first, int last) {}

    // The versions that Dohle speaks, from the declarations of its messages.
    static List<Api> apis(Path wire) throws IOException {
        Pattern listed = Pattern.compile("API\\((\\d+), (\\w+), (\\w+)\\)");
        Pattern spoken = Pattern.compile("ApiKey::\\w+, versions\\((\\d+), (\\d+)\\)");
        List<Api> apis = new ArrayList<>();
        Matcher line = listed.matcher(Files.readString(wire.resolve("api_list.hpp")));
        while (line.find()) {
            Path message = wire.resolve("messages").resolve(line.group(2) + ".hpp");
            Matcher versions = spoken.matcher(Files.readString(message));
            if (!versions.find()) throw new IllegalStateException("no versions in " + message);
            apis.add(new Api(Integer.parseInt(line.group(1)), line.group(3),
                             Integer.parseInt(versions.group(1)),
                             Integer.parseInt(versions.group(2))));
        }
        return apis;
    }

    record Data(String name, String type, int first, int last) {}

    static final String COORDINATOR = "org.apache.kafka.coordinator.group.generated.";
    static final String CLIENTS = "org.apache.kafka.common.message.";
    static final List<Data> DATA = List.of(
        new Data("ConsumerProtocolSubscription", CLIENTS, 0, 3),
        new Data("ConsumerProtocolAssignment", CLIENTS, 0, 3),
        new Data("OffsetCommitKey", COORDINATOR, 0, 0),
        new Data("OffsetCommitValue", COORDINATOR, 0, 4),
        new Data("GroupMetadataKey", COORDINATOR, 0, 0),
        new Data("GroupMetadataValue", COORDINATOR, 0, 4));

    /** Both ends included. */
    record Versions(int first, int last) {
        static Versions parse(JsonNode node) {
            if (node == null || node.asText().equals("none")) return new Versions(1, 0);
            String text = node.asText();
            if (text.endsWith("+")) {
                return new Versions(Integer.parseInt(text.substring(0, text.length() - 1)), 32767);
            }
            String[] ends = text.split("-");
            return new Versions(Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]));
        }

        boolean has(int version) {
            return version >= first && version <= last;
        }
    }

    /** Fills one message; keeps the bytes of its `records` fields. */
    static class Filler {
        final Random random;
        final Variant variant;
        final int version;
        final JsonNode commonStructs;
        final String outer;
        final List<byte[]> records = new ArrayList<>();

        Filler(String outer, JsonNode schema, int version, Variant variant, int round) {
            this.outer = outer;
            this.version = version;
            this.variant = variant;
            this.commonStructs = schema.path("commonStructs");
            this.random = new Random(SEED ^ (outer + version + variant + round).hashCode());
        }

        Object fill(Object message, JsonNode fields) throws Exception {
            for (JsonNode field : fields) {
                if (!Versions.parse(field.get("versions")).has(version)) continue;
                Method setter = setter(message, field.get("name").asText());
                if (isDefaultWanted(field)) {
                    if (field.get("type").asText().equals("records")) records.add(null);
                    continue;
                }
                setter.invoke(message, value(field, setter.getParameterTypes()[0]));
            }
            return message;
        }

        boolean isBlank() {
            return variant == Variant.EMPTY || variant == Variant.BARE;
        }

        boolean isDefaultWanted(JsonNode field) {
            boolean isTagged = Versions.parse(field.get("taggedVersions")).has(version);
            String type = field.get("type").asText();
            if (type.equals("records")) return isBlank();
            return switch (variant) {
                case FULL -> false;
                case EXTREME -> false;
                case EMPTY, BARE -> isTagged && !type.startsWith("[]");
                case MIXED -> isTagged && random.nextInt(3) == 0;
            };
        }

        static Method setter(Object message, String name) {
            String wanted = "set" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
            for (Method method : message.getClass().getMethods()) {
                if (method.getName().equals(wanted)) return method;
            }
            throw new IllegalStateException("no " + wanted + " in " + message.getClass());
        }

        boolean isNullWanted(JsonNode field) {
            if (!Versions.parse(field.get("nullableVersions")).has(version)) return false;
            if (variant == Variant.BARE) return !field.get("type").asText().startsWith("[]");
            return variant == Variant.EMPTY || variant == Variant.MIXED && random.nextInt(4) == 0;
        }

        Object value(JsonNode field, Class<?> javaType) throws Exception {
            String type = field.get("type").asText();
            if (isNullWanted(field)) {
                if (type.equals("records")) records.add(null);
                return null;
            }
            if (type.startsWith("[]")) return array(field, type.substring(2), javaType);
            if (Character.isUpperCase(type.charAt(0))) return struct(field, type);
            return scalar(type, field.path("default").asText(""), javaType);
        }

        Object struct(JsonNode field, String type) throws Exception {
            JsonNode fields = field.get("fields");
            for (JsonNode common : commonStructs) {
                if (common.get("name").asText().equals(type)) fields = common.get("fields");
            }
            Object inner = Class.forName(outer + "$" + type).getConstructor().newInstance();
            return fill(inner, fields);
        }

        @SuppressWarnings("unchecked")
        Object array(JsonNode field, String element, Class<?> javaType) throws Exception {
            boolean isStruct = Character.isUpperCase(element.charAt(0));
            Collection<Object> all = javaType == List.class
                ? new ArrayList<>()
                : (Collection<Object>) javaType.getConstructor().newInstance();
            int count = switch (variant) {
                case FULL -> 2;
                case EXTREME -> isStruct ? 1 : 130;
                case EMPTY -> 0;
                case BARE -> 1;
                case MIXED -> random.nextInt(4);
            };
            for (int i = 0; i < count; i++) {
                all.add(isStruct ? struct(field, element) : scalar(element, "", javaType));
            }
            return all;
        }

        Object scalar(String type, String byDefault, Class<?> javaType) {
            return switch (type) {
                case "bool" -> isBlank() ? byDefault.equals("true")
                    : variant == Variant.MIXED ? random.nextBoolean() : !byDefault.equals("true");
                case "int8" -> (byte) number(8, byDefault);
                case "int16" -> (short) number(16, byDefault);
                case "uint16" -> (int) number(16, byDefault) & 0xffff;
                case "int32" -> (int) number(32, byDefault);
                case "uint32" -> number(32, byDefault) & 0xffffffffL;
                case "int64" -> number(64, byDefault);
                case "float64" -> isBlank() ? 0.0 : random.nextGaussian() * 1e9;
                case "uuid" -> isBlank() ? Uuid.ZERO_UUID
                    : new Uuid(random.nextLong(), random.nextLong());
                case "string" -> text();
                case "bytes" -> javaType == ByteBuffer.class ? ByteBuffer.wrap(bytes()) : bytes();
                case "records" -> records();
                default -> throw new IllegalStateException(type);
            };
        }

        /** Never the default in FULL and EXTREME, always in EMPTY and BARE. */
        long number(int bits, String byDefault) {
            long fallback = byDefault.isEmpty() ? 0 : Long.decode(byDefault);
            if (isBlank()) return fallback;
            long highest = (1L << (bits - 1)) - 1;
            if (variant == Variant.EXTREME) {
                long end = random.nextBoolean() ? highest : -highest - 1;
                return end == fallback ? ~end : end;
            }
            long value;
            do {
                value = (random.nextLong() >> (64 - bits)) >> random.nextInt(bits);
            } while (value == fallback && variant == Variant.FULL);
            return value;
        }

        String text() {
            if (isBlank()) return "";
            if (variant == Variant.EXTREME) return "dlouhý ".repeat(20 + random.nextInt(3));
            int length = 1 + random.nextInt(12) - (variant == Variant.MIXED ? 1 : 0);
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < length; i++) text.append((char) ('a' + random.nextInt(26)));
            return text.toString();
        }

        byte[] bytes() {
            int length = switch (variant) {
                case FULL -> 1 + random.nextInt(16);
                case EXTREME -> 200;
                case EMPTY, BARE -> 0;
                case MIXED -> random.nextInt(16);
            };
            byte[] bytes = new byte[length];
            if (variant != Variant.EXTREME) random.nextBytes(bytes);
            return bytes;
        }

        MemoryRecords records() {
            int count = variant == Variant.MIXED ? random.nextInt(3) : 1;
            SimpleRecord[] all = new SimpleRecord[count];
            for (int i = 0; i < count; i++) {
                Header[] headers = {new RecordHeader("h", bytes())};
                all[i] = new SimpleRecord(1700000000000L + i, bytes(), bytes(), headers);
            }
            MemoryRecords made = count == 0 ? MemoryRecords.EMPTY
                : MemoryRecords.withRecords(Compression.NONE, all);
            byte[] copy = new byte[made.sizeInBytes()];
            made.buffer().duplicate().get(copy);
            records.add(copy);
            return made;
        }
    }

    static Writer out;
    static int lines;

    static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    static byte[] bytesOf(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    static void line(ObjectNode node) throws Exception {
        out.write(MAPPER.writeValueAsString(node));
        out.write('\n');
        lines++;
    }

    static JsonNode schema(String name) throws Exception {
        try (InputStream in = Golden.class.getResourceAsStream("/common/message/" + name + ".json")) {
            return MAPPER.readTree(in);
        }
    }

    static JsonNode json(String className, Object message, int version) throws Exception {
        Class<?> converter = Class.forName(className + "JsonConverter");
        for (Method method : converter.getMethods()) {
            if (!method.getName().equals("write")) continue;
            if (method.getParameterCount() == 3) {
                return (JsonNode) method.invoke(null, message, (short) version, false);
            }
        }
        throw new IllegalStateException("no JsonConverter for " + className);
    }

    static void message(String name, String className, int first, int last) throws Exception {
        JsonNode schema = schema(name);
        for (int version = first; version <= last; version++) {
            for (Variant variant : Variant.values()) {
                for (int round = 0; round < (variant == Variant.MIXED ? 3 : 1); round++) {
                    Filler filler = new Filler(className, schema, version, variant, round);
                    message(name, className, schema, filler);
                }
            }
        }
    }

    static void message(String name, String className, JsonNode schema, Filler filler)
            throws Exception {
        short version = (short) filler.version;
        Message message = (Message) Class.forName(className).getConstructor().newInstance();
        filler.fill(message, schema.get("fields"));
        ByteBuffer bytes = MessageUtil.toByteBufferAccessor(message, version).buffer();
        ObjectNode node = MAPPER.createObjectNode();
        node.put("message", name).put("version", filler.version);
        node.put("variant", filler.variant.name().toLowerCase());
        node.put("bytes", base64(bytesOf(bytes)));
        node.set("json", json(className, message, version));
        ArrayNode records = node.putArray("records");
        for (byte[] each : filler.records) records.add(each == null ? null : base64(each));
        line(node);
    }

    static void header(String kind, int key, int version, int correlationId, String clientId,
                       Message header, short headerVersion) throws Exception {
        ObjectNode node = MAPPER.createObjectNode();
        node.put("header", kind).put("apiKey", key).put("version", version);
        node.put("correlationId", correlationId).put("clientId", clientId);
        ByteBuffer bytes = MessageUtil.toByteBufferAccessor(header, headerVersion).buffer();
        node.put("bytes", base64(bytesOf(bytes)));
        line(node);
    }

    static void headers(int key, int version, Random random) throws Exception {
        ApiKeys api = ApiKeys.forId(key);
        for (String clientId : new String[] {"klient-" + key, "", null}) {
            int id = random.nextInt();
            RequestHeader request = new RequestHeader(api, (short) version, clientId, id);
            header("request", key, version, id, clientId, request.data(), request.headerVersion());
        }
        int id = random.nextInt();
        ResponseHeader response = new ResponseHeader(id, api.responseHeaderVersion((short) version));
        header("response", key, version, id, null, response.data(), response.headerVersion());
    }

    static void errors() throws Exception {
        for (Errors error : Errors.values()) {
            ObjectNode node = MAPPER.createObjectNode();
            node.put("error", error.code()).put("name", error.name());
            node.put("retriable", error.exception() instanceof RetriableException);
            line(node);
        }
    }

    public static void main(String[] arguments) throws Exception {
        GZIPOutputStream zip = new GZIPOutputStream(new FileOutputStream(arguments[0])) {
            {
                def.setLevel(9);
            }
        };
        out = new BufferedWriter(new OutputStreamWriter(zip, StandardCharsets.UTF_8));
        Random random = new Random(SEED);
        for (Api api : apis(Path.of(arguments[1]))) {
            message(api.name + "Request", CLIENTS + api.name + "RequestData", api.first, api.last);
            message(api.name + "Response", CLIENTS + api.name + "ResponseData", api.first, api.last);
            for (int version = api.first; version <= api.last; version++) {
                headers(api.key, version, random);
            }
        }
        headers(ApiKeys.API_VERSIONS.id, 99, random);
        for (Data data : DATA) message(data.name, data.type + data.name, data.first, data.last);
        errors();
        out.close();
        System.out.println(lines + " lines");
    }
}
