import java.io.PrintWriter;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/** Groups made from a seed and what Apache Kafka's RangeAssignor assigns to them, as lines of JSON. */
public class RangeAssignments {
  public static void main(String[] args) throws Exception {
    Random random = new Random(20260901);
    try (PrintWriter out = new PrintWriter(new OutputStreamWriter(
             new GZIPOutputStream(new FileOutputStream(args[0])), StandardCharsets.UTF_8))) {
      for (int i = 0; i < 500; ++i) {
        out.println(oneGroup(random));
      }
    }
  }

  static String oneGroup(Random random) {
    Map<String, List<PartitionInfo>> partitions = new TreeMap<>();
    Map<String, Integer> counts = new TreeMap<>();
    List<String> topics = new ArrayList<>();
    for (int t = 1 + random.nextInt(4); t > 0; --t) {
      String topic = "topic-" + t;
      topics.add(topic);
      int count = random.nextInt(13);
      if (count == 0) continue;
      counts.put(topic, count);
      List<PartitionInfo> infos = new ArrayList<>();
      for (int p = 0; p < count; ++p) infos.add(new PartitionInfo(topic, p, null, null, null));
      partitions.put(topic, infos);
    }
    Map<String, Subscription> members = new HashMap<>();
    StringBuilder memberText = new StringBuilder();
    for (int m = 1 + random.nextInt(6); m > 0; --m) {
      String id = "member-" + random.nextInt(1000) + "-" + m;
      List<String> wanted = new ArrayList<>();
      for (String topic : topics) if (random.nextInt(4) > 0) wanted.add(topic);
      Subscription subscription = new Subscription(wanted);
      String instance = random.nextInt(3) == 0 ? "instance-" + random.nextInt(1000) + "-" + m : null;
      subscription.setGroupInstanceId(Optional.ofNullable(instance));
      members.put(id, subscription);
      memberText.append(memberText.length() == 0 ? "" : ",").append("{\"id\":\"").append(id)
          .append("\",\"instance\":").append(instance == null ? "null" : "\"" + instance + "\"")
          .append(",\"topics\":").append(strings(wanted)).append("}");
    }
    Map<String, List<TopicPartition>> assigned =
        new TreeMap<>(new RangeAssignor().assignPartitions(partitions, members));
    StringBuilder text = new StringBuilder("{\"counts\":{");
    String comma = "";
    for (var each : counts.entrySet()) {
      text.append(comma).append("\"").append(each.getKey()).append("\":").append(each.getValue());
      comma = ",";
    }
    text.append("},\"members\":[").append(memberText).append("],\"assigned\":{");
    comma = "";
    for (var each : assigned.entrySet()) {
      List<String> names = new ArrayList<>();
      for (TopicPartition partition : each.getValue()) names.add(partition.toString());
      names.sort(null);
      text.append(comma).append("\"").append(each.getKey()).append("\":").append(strings(names));
      comma = ",";
    }
    return text.append("}}").toString();
  }

  static String strings(List<String> all) {
    return all.isEmpty() ? "[]" : "[\"" + String.join("\",\"", all) + "\"]";
  }
}
