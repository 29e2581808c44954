import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.EditLogFileOutputStream;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;

/**
 * A NameNode, a DataNode or both in one process, configured by the class path; formats an empty
 * folder first. Prints READY, then answers one line for each line of its standard input (words
 * separated by tabs), and ends when that closes: so it cannot outlive whoever started it.
 */
public class HdfsNode {
  public static void main(String[] roles) throws Throwable {
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    System.setOut(System.err); // the NameNode talks while it formats
    Configuration conf = new HdfsConfiguration();
    boolean namenode = !roles[0].equals("datanode");
    boolean datanode = !roles[0].equals("namenode");
    DefaultMetricsSystem.setMiniClusterMode(true);
    if (namenode) {
      EditLogFileOutputStream.setShouldSkipFsyncForTesting(true);
      File folder = new File(new URI(conf.get("dfs.namenode.name.dir")));
      if (!new File(folder, "current/VERSION").exists()) NameNode.format(conf);
      NameNode.createNameNode(new String[0], conf);
    }
    if (datanode) {
      DataNode node = DataNode.createDataNode(new String[0], conf);
      while (!node.isDatanodeFullyStarted()) Thread.sleep(10);
    }
    out.println("READY");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    DistributedFileSystem files = new DistributedFileSystem();
    boolean connected = false;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        if (!connected) files.initialize(URI.create(conf.get("fs.defaultFS")), conf);
        connected = true;
        answer(files, line.split("\t"));
        out.println("OK");
      } catch (Exception e) {
        out.println("ERROR " + e.toString().replaceAll("\\s+", " "));
      }
    }
    Runtime.getRuntime().halt(0);
  }

  private static void answer(DistributedFileSystem files, String[] words) throws Exception {
    Path path = words.length > 1 ? new Path(words[1]) : null;
    switch (words[0]) {
      case "folder": // path, owner, octal mode
        files.mkdirs(path);
        files.setOwner(path, words[2], words[2]);
        files.setPermission(path, new FsPermission((short) Integer.parseInt(words[3], 8)));
        return;
      case "quota": // path, names, bytes; -1 lifts one
        files.setQuota(path, Long.parseLong(words[2]), Long.parseLong(words[3]));
        return;
      case "safemode":
        files.setSafeMode(HdfsConstants.SafeModeAction.valueOf("SAFEMODE_" + words[2]));
        return;
      default:
        throw new IllegalArgumentException("no such command: " + words[0]);
    }
  }
}
