import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

/**
 * Texts of ssl.principal.mapping.rules and names of certificates, made from a seed, and what Apache Kafka's
 * SslPrincipalMapper makes of the name. As lines of JSON: {"rules", "certificate", "name"}; without "name" if no
 * rule fits.
 *
 * Rules with letters to be changed meet names of ASCII alone, since Dohle changes no others. No character takes
 * two of Java's, which an empty match could part.
 */
public class PrincipalRules {
  static final long SEED = 20261129;
  static final int ROUNDS = 4000;
  static final ObjectMapper MAPPER = new ObjectMapper();

  /** Patterns, and the number of their groups. */
  static final Object[][] PATTERNS = {
      {"^CN=(.*?),OU=(.*?),O=(.*?)$", 3}, {"^CN=(.*?),.*$", 1}, {"CN=(.*?),.*", 1}, {"CN=(.*?)", 1},
      {"CN=(.*)", 1}, {"(.*)", 1}, {".*", 0}, {"(.*?)", 1}, {"(.+)", 1}, {"^.*[Cc][Nn]=([a-zA-Z0-9. ]*).*$", 1},
      {".*CN=([a-zA-Z0-9. ]*).*", 1}, {"^(CN|OU)=([^,]*).*$", 2}, {"(CN|OU)=([^,]*).*", 2},
      {"^CN=(.+?)(,OU=(.+))?$", 3}, {"CN=(.+?)(,OU=(.+))?", 3}, {"(([^=]+)=([^,]+),?)+", 3},
      {"([^=]+=[^,]+,?)*", 1}, {"CN=(\\w+)(?:,(\\w+)=.*)?", 2}, {"(?i)cn=(.*?),o=.*", 1}, {"CN=host\\/(.*)", 1},
      {"CN=host\\/([^,]*).*", 1}, {"CN=\\QDuke\\E(.*)", 1}, {"CN=(\\p{Lu}.*?)(,.*)?", 2}, {"[^,]*", 0},
      {"CN=(a|ab|Duke)(.*)", 2}, {"(a|b)*?.*", 1}, {"CN=([^\\\\,]|\\\\.)*,?(.*)", 2}, {"(CN=.*|OU=.*)", 1},
      {"O=(.*?),(.*)", 2}, {"OU=.{3,}", 0}, {"x*.*", 0}, {"C.*|.*", 0}, {"(?:CN=)?(.*)", 1}};
  static final String[] TYPES = {"OU", "O", "L", "ST", "C", "DC", "UID", "cn"};
  static final String[] VALUES = {"Duke", "duke", "ada.lovelace", "Ada Lovelace", "a", "ab", "ServiceUsers", "SME",
      "host/one", "a\\,b", "x\\=y", "a\\\\", "x@y", "$1", "US", "4711", "\u00fcber", "\u6771\u4eac"};
  static final String[] LITERALS = {"user-", "@", ".", "-x", "\\$", "\\/", "\\\\", " ", "", "A", "b,c", "0"};

  public static void main(String[] args) throws Exception {
    Random random = new Random(SEED);
    try (PrintWriter out = new PrintWriter(new OutputStreamWriter(
             new GZIPOutputStream(new FileOutputStream(args[0])), StandardCharsets.UTF_8))) {
      for (int i = 0; i < ROUNDS; ++i) out.println(oneLine(random));
    }
  }

  static String oneLine(Random random) throws Exception {
    String certificate = certificate(random);
    boolean mayChangeLetters = certificate.chars().allMatch(c -> c < 128);
    List<String> rules = new ArrayList<>();
    for (int n = random.nextInt(3); n >= 0; --n) rules.add(rule(random, mayChangeLetters));
    if (random.nextInt(3) == 0) rules.add("DEFAULT");
    String[] commas = {",", ", ", " , ", ",\n  "};
    String text = String.join(commas[random.nextInt(commas.length)], rules);
    ObjectNode line = MAPPER.createObjectNode();
    line.put("rules", text);
    line.put("certificate", certificate);
    try {
      line.put("name", SslPrincipalMapper.fromRules(text).getName(certificate));
    } catch (SslPrincipalMapper.NoMatchingRule none) {
      // The line has no name.
    }
    return MAPPER.writeValueAsString(line);
  }

  static String certificate(Random random) {
    List<String> parts = new ArrayList<>();
    if (random.nextInt(10) > 0) parts.add("CN=" + value(random));
    for (int n = random.nextInt(4); n > 0; --n) parts.add(TYPES[random.nextInt(TYPES.length)] + "=" + value(random));
    if (random.nextInt(4) == 0) Collections.shuffle(parts, random);
    if (parts.isEmpty() || random.nextInt(4) == 0) parts.addAll(List.of("OU=SME", "O=mycp"));
    return String.join(",", parts);
  }

  static String value(Random random) {
    return VALUES[random.nextInt(VALUES.length)];
  }

  static String rule(Random random, boolean mayChangeLetters) {
    Object[] pattern = PATTERNS[random.nextInt(PATTERNS.length)];
    int groups = (Integer) pattern[1];
    StringBuilder replacement = new StringBuilder();
    for (int n = random.nextInt(3); n >= 0; --n) {
      replacement.append(LITERALS[random.nextInt(LITERALS.length)]);
      if (groups > 0) replacement.append("$").append(1 + random.nextInt(groups));
    }
    String[] letters = {"", "", "L", "U"};
    return "RULE:" + pattern[0] + "/" + replacement + "/"
        + (mayChangeLetters ? letters[random.nextInt(letters.length)] : "");
  }
}
