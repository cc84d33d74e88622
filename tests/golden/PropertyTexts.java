import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.StringReader;
import java.io.Writer;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;

/**
 * Writes how Java reads texts of JAAS (Apache Kafka's JaasConfig) and of properties files
 * (java.util.Properties), from written examples and from random pieces. `make` beside this file runs
 * it.
 *
 * Lines of the output are JSON objects: {"jaas": text, "entries": [{"module", "flag", "options":
 * {name: value}}]} and {"file": text, "properties": {name: value}}. A refused text has neither
 * entries nor properties.
 */
public class PropertyTexts {
    static final long SEED = 20251124;
    static final int ROUNDS = 2500;
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final String PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule";

    static final List<String> JAAS = List.of(
        "",
        PLAIN + " required username=\"alice\" password=\"alice-secret\";",
        PLAIN + " REQUIRED username='alice' password='a \"quoted\" one';",
        PLAIN + " required\n  username=alice\n  password=al-ice_$1.x;",
        PLAIN + " required username=\"a\" password=\"back\\\\slash \\\" quote \\' tick\";",
        PLAIN + " required username=\"a\" password=\"\\101\\7\\400\\1234\\8\\a\\b\\f\\n\\r\\t\\v\\q\";",
        PLAIN + " required username=\"a\" password=\"snowman \u2603 \u00e9 \ud83d\ude00\";",
        PLAIN + " required username=\u00e9t\u00e9 password=\u2603;",
        PLAIN + " required username=a password=b\u0085c;",
        PLAIN + " required username=\"a\" password=12345;",
        PLAIN + " required username=\"a\" password=-12;",
        PLAIN + " required username=\"a\" password=-x;",
        PLAIN + " required username=\"a\" password=.x;",
        PLAIN + " required username=\"a\" password=a+b;",
        PLAIN + " required username=\"a\" password=\"\";",
        PLAIN + " required username=\"a\" password=;",
        PLAIN + " required username=\"a\" password;",
        PLAIN + " required username=\"a\" password=\"b\"",
        PLAIN + " required username=\"a\" // password=\"b\";\n password=\"c\";",
        PLAIN + " required username=\"a\" /* password=\"b\"; */ password=\"c\";",
        PLAIN + " required username=\"a\" / password=\"b\";\n password=\"c\";",
        PLAIN + " required username=a/b password=\"c\";",
        PLAIN + " required; " + PLAIN + " optional a=b;",
        PLAIN + " needed username=\"a\";",
        PLAIN + " required",
        PLAIN,
        ";",
        "\"quoted module\" \"Required\" \"quoted name\"=value;");

    static final List<String> JAAS_PIECES = List.of(
        "a", "Zed", "user", "=", "=", "=", ";", ";", "\"", "'", "\\", " ", " ", "\n", "\t", "/", "*", "-",
        ".", "0", "7", "8", "#", "$", "_", "//", "/*", "*/", "\"x y\"", "'z'", "a=b ", "c=\"d\" ", "\\n",
        "\\101", "\u00e9", "\u0085", "\u2603", "\ud83d\ude00", "\u007f", "required", "optional");

    static final List<String> FILES = List.of(
        "",
        "sasl.username=alice\nsasl.password=secret\n",
        "a:b\r\nc d\re = f",
        "# comment \\\na=b\n! another\n  c=d",
        "a=b \\\n    c\\\n\n d=e",
        "a\\ b\\=c\\:d=e\n=f\n:g",
        "a=\\t\\n\\r\\f\\q\\\\\\#",
        "a=\\u0041\\u00e9\\u2603\\ud83d\\ude00",
        "a=\\u12",
        "a=\\u00zz",
        "a=trailing blanks  \n",
        "a=b\na=c",
        "\\\n#a=b",
        "\\\n\n#a=b",
        "a=b\\",
        "\\");

    static final List<String> FILE_PIECES = List.of(
        "a", "b", "key", "=", "=", ":", " ", " ", "\t", "\f", "\\", "\\", "\n", "\n", "\r", "\r\n", "#",
        "!", "\\u0041", "\\u00e9", "\\uD83D\\uDE00", "\\u12", "u", "t", "n", "\u0000", "\\\n");

    static String random(Random random, List<String> pieces, int most) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(most); i > 0; i--) {
            text.append(pieces.get(random.nextInt(pieces.size())));
        }
        return text.toString();
    }

    /** Options that are mostly well formed. */
    static String options(Random random) {
        List<String> quotes = List.of("\"", "'", "");
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(4); i > 0; i--) {
            String quote = quotes.get(random.nextInt(3));
            String value = random(random, JAAS_PIECES, quote.isEmpty() ? 3 : 8);
            if (random.nextInt(8) > 0 && !quote.isEmpty()) {
                value = value.replace("\"", "q").replace("'", "r").replace("\n", "s");
            }
            text.append("k").append(i).append(random.nextInt(9) == 0 ? " = " : "=");
            text.append(quote).append(value).append(quote).append(" ");
        }
        return text.toString();
    }

    static ObjectNode jaas(Constructor<?> config, String text) {
        ObjectNode line = MAPPER.createObjectNode().put("jaas", text);
        AppConfigurationEntry[] entries;
        try {
            entries = ((Configuration) config.newInstance("Client", text)).getAppConfigurationEntry("Client");
        } catch (ReflectiveOperationException refused) {
            return line;
        }
        ArrayNode all = line.putArray("entries");
        for (AppConfigurationEntry entry : entries) {
            ObjectNode node = all.addObject().put("module", entry.getLoginModuleName());
            String flag = entry.getControlFlag().toString();
            node.put("flag", flag.substring(flag.indexOf(' ') + 1).toLowerCase());
            ObjectNode options = node.putObject("options");
            for (Map.Entry<String, ?> option : entry.getOptions().entrySet()) {
                options.put(String.valueOf(option.getKey()), String.valueOf(option.getValue()));
            }
        }
        return line;
    }

    static ObjectNode file(String text) throws Exception {
        ObjectNode line = MAPPER.createObjectNode().put("file", text);
        Properties read = new Properties();
        try {
            read.load(new StringReader(text));
        } catch (IllegalArgumentException refused) {
            return line;
        }
        ObjectNode all = line.putObject("properties");
        for (Map.Entry<Object, Object> each : new TreeMap<>(read).entrySet()) {
            all.put((String) each.getKey(), (String) each.getValue());
        }
        return line;
    }

    public static void main(String[] arguments) throws Exception {
        Constructor<?> config = Class.forName("org.apache.kafka.common.security.JaasConfig")
            .getDeclaredConstructor(String.class, String.class);
        config.setAccessible(true);
        GZIPOutputStream zip = new GZIPOutputStream(new FileOutputStream(arguments[0])) {
            {
                def.setLevel(9);
            }
        };
        Random random = new Random(SEED);
        int lines = 0;
        try (Writer out = new BufferedWriter(new OutputStreamWriter(zip, StandardCharsets.UTF_8))) {
            for (String text : JAAS) {
                out.write(MAPPER.writeValueAsString(jaas(config, text)) + "\n");
            }
            for (String text : FILES) {
                out.write(MAPPER.writeValueAsString(file(text)) + "\n");
            }
            for (int i = 0; i < ROUNDS; i++) {
                String entry = i % 4 == 0 ? random(random, JAAS_PIECES, 14)
                    : "m.L required " + options(random) + (i % 9 == 0 ? "" : ";");
                out.write(MAPPER.writeValueAsString(jaas(config, entry)) + "\n");
                out.write(MAPPER.writeValueAsString(file(random(random, FILE_PIECES, 16))) + "\n");
            }
            lines = JAAS.size() + FILES.size() + 2 * ROUNDS;
        }
        System.out.println(lines + " lines");
    }
}
