import java.io.PrintStream;
import java.util.Base64;
import java.util.Random;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/**
 * Prints the partitions that Apache Kafka's producer chooses for keys, as lines of
 * partitions.jsonl.gz. `make-partitions` beside this file runs it.
 */
public class Partitions {
    public static void main(String[] arguments) {
        PrintStream out = System.out;
        Random random = new Random(20261129);
        for (int partitions : new int[] {1, 2, 3, 7, 12, 100, 4096}) {
            StringBuilder records = new StringBuilder();
            for (int i = 0; i < 140; ++i) {
                byte[] key = new byte[i < 64 ? 1 : random.nextInt(40)];
                random.nextBytes(key);
                if (i < 64) key[0] = (byte) (4 * i);
                if (records.length() > 0) records.append(',');
                records.append("{\"key\":\"").append(Base64.getEncoder().encodeToString(key))
                    .append("\",\"partition\":")
                    .append(BuiltInPartitioner.partitionForKey(key, partitions)).append('}');
            }
            out.println("{\"by\":\"java\",\"partitioner\":\"murmur2\",\"consistent\":false,\"partitions\":"
                + partitions + ",\"records\":[" + records + "]}");
        }
    }
}
