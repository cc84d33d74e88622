import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import javax.security.auth.x500.X500Principal;

/**
 * Names of certificates made from a seed, as DER, and what X500Principal.getName() writes for them: the name
 * that Apache Kafka's DefaultKafkaPrincipalBuilder maps. As lines of JSON.
 */
public class Principals {
  // CN, C, L, ST, O, OU, STREET, DC, UID, emailAddress, serialNumber, SN, an OID of nobody.
  static final String[] OIDS = {"550403", "550406", "550407", "550408", "55040a", "55040b", "550409",
      "0992268993f22c640119", "0992268993f22c640101", "2a864886f70d010901", "550405", "550404", "2a030405"};
  static final int UTF8 = 0x0c, PRINTABLE = 0x13, IA5 = 0x16;
  static final String[] PARTS = {"Ada", " ", "  ", ",", "=", "+", "<", ">", "#", ";", "\"", "\\", "ü", "東京", "a.b",
      "\u0000", "\t", "\r", "\n", "*", "@", "/", "'", "🐦"};

  public static void main(String[] args) throws Exception {
    Random random = new Random(20261129);
    try (PrintWriter out = new PrintWriter(new OutputStreamWriter(
             new GZIPOutputStream(new FileOutputStream(args[0])), StandardCharsets.UTF_8))) {
      for (int i = 0; i < 2000; ++i) {
        byte[] der = name(random);
        String text = new X500Principal(der).getName();
        out.println("{\"der\":\"" + HexFormat.of().formatHex(der) + "\",\"name\":\""
            + HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8)) + "\"}");
      }
    }
  }

  static byte[] name(Random random) throws Exception {
    ByteArrayOutputStream sets = new ByteArrayOutputStream();
    for (int n = random.nextInt(5); n >= 0; --n) {
      boolean hasTwo = random.nextInt(8) == 0;
      byte[] set = attribute(random, "550403", "a");
      if (hasTwo) set = joined(set, attribute(random, "55040b", "b"));
      if (!hasTwo) set = attribute(random, OIDS[random.nextInt(OIDS.length)], "");
      sets.write(tagged(0x31, set));
    }
    return tagged(0x30, sets.toByteArray());
  }

  static byte[] attribute(Random random, String oid, String begin) throws Exception {
    StringBuilder value = new StringBuilder(begin);
    for (int n = random.nextInt(4); n >= 0; --n) value.append(PARTS[random.nextInt(PARTS.length)]);
    int tag = UTF8;
    if (random.nextInt(3) == 0) {
      tag = random.nextBoolean() ? PRINTABLE : IA5;
      value = new StringBuilder(begin + "Plain " + random.nextInt(100));
    }
    byte[] type = tagged(0x06, HexFormat.of().parseHex(oid));
    return tagged(0x30, joined(type, tagged(tag, value.toString().getBytes(StandardCharsets.UTF_8))));
  }

  static byte[] joined(byte[] one, byte[] other) {
    byte[] all = java.util.Arrays.copyOf(one, one.length + other.length);
    System.arraycopy(other, 0, all, one.length, other.length);
    return all;
  }

  static byte[] tagged(int tag, byte[] content) {
    byte[] head = content.length < 128 ? new byte[] {(byte) tag, (byte) content.length}
        : content.length < 256 ? new byte[] {(byte) tag, (byte) 0x81, (byte) content.length}
        : new byte[] {(byte) tag, (byte) 0x82, (byte) (content.length >> 8), (byte) content.length};
    return joined(head, content);
  }
}
