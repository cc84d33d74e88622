import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.sasl.SaslClient;
import javax.security.sasl.SaslServer;
import org.apache.kafka.common.security.scram.ScramCredential;
import org.apache.kafka.common.security.scram.ScramCredentialCallback;
import org.apache.kafka.common.security.scram.internals.ScramFormatter;
import org.apache.kafka.common.security.scram.internals.ScramMechanism;
import org.apache.kafka.common.security.scram.internals.ScramSaslClient;
import org.apache.kafka.common.security.scram.internals.ScramSaslServer;

/**
 * Logins of Apache Kafka's SCRAM client at Apache Kafka's SCRAM server, with names, passwords and iterations from a
 * seed and nonces and salts of theirs. As lines of JSON: {"mechanism", "name", "password", "messages": the four
 * messages}; all but the mechanism are UTF-8 in hex.
 */
public class ScramLogins {
  static final String[] PARTS = {"a", "user", ",", "=", "=2C", "+", "/", "\"", "\\", " ", "@", "-", "~"};
  static final String[] MORE = {"ü", "東京", "🐦", "é"};

  public static void main(String[] args) throws Exception {
    Random random = new Random(20261129);
    try (PrintWriter out = new PrintWriter(new OutputStreamWriter(
             new GZIPOutputStream(new FileOutputStream(args[0])), StandardCharsets.UTF_8))) {
      for (int i = 0; i < 60; ++i) {
        ScramMechanism mechanism = i % 2 == 0 ? ScramMechanism.SCRAM_SHA_256 : ScramMechanism.SCRAM_SHA_512;
        String name = text(random, PARTS);
        String password = text(random, PARTS) + (random.nextBoolean() ? text(random, MORE) : "");
        List<String> messages = login(mechanism, name, password, 4096 + random.nextInt(4096));
        out.println("{\"mechanism\":\"" + mechanism.mechanismName() + "\",\"name\":\"" + hex(name)
            + "\",\"password\":\"" + hex(password) + "\",\"messages\":[\"" + String.join("\",\"", messages) + "\"]}");
      }
    }
  }

  static List<String> login(ScramMechanism mechanism, String name, String password, int iterations)
      throws Exception {
    ScramCredential credential = new ScramFormatter(mechanism).generateCredential(password, iterations);
    SaslClient client = new ScramSaslClient(mechanism, callbacks -> {
      for (Callback each : callbacks) {
        if (each instanceof NameCallback it) it.setName(name);
        else if (each instanceof PasswordCallback it) it.setPassword(password.toCharArray());
        else throw new UnsupportedCallbackException(each);
      }
    });
    SaslServer server = new ScramSaslServer(mechanism, Map.of(), callbacks -> {
      for (Callback each : callbacks) {
        if (each instanceof ScramCredentialCallback it) it.scramCredential(credential);
      }
    });
    List<String> messages = new ArrayList<>();
    byte[] message = client.evaluateChallenge(new byte[0]);
    while (true) {
      messages.add(HexFormat.of().formatHex(message));
      byte[] answer = server.evaluateResponse(message);
      messages.add(HexFormat.of().formatHex(answer));
      message = client.evaluateChallenge(answer);
      if (client.isComplete()) break;
    }
    if (!server.isComplete() || !server.getAuthorizationID().equals(name) || messages.size() != 4) {
      throw new IllegalStateException("no login of " + name);
    }
    return messages;
  }

  static String text(Random random, String[] parts) {
    StringBuilder text = new StringBuilder();
    for (int n = random.nextInt(5); n >= 0; --n) text.append(parts[random.nextInt(parts.length)]);
    return text.toString();
  }

  static String hex(String text) {
    return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
  }
}
