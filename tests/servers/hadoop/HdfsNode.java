import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.ha.HAServiceProtocol;
import org.apache.hadoop.ha.HAServiceProtocol.RequestSource;
import org.apache.hadoop.ha.HAServiceProtocol.StateChangeRequestInfo;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.protocol.HdfsConstants;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.EditLogFileOutputStream;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.hdfs.tools.NNHAServiceTarget;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;

/**
 * A NameNode (also a standby one), a DataNode or both in one process, configured by the class path;
 * formats an empty folder first. Prints READY, then answers one line for each line of its standard input (words
 * separated by tabs), and ends when that closes: so it cannot outlive whoever started it.
 */
public class HdfsNode {
  private static final StateChangeRequestInfo BY_HAND =
      new StateChangeRequestInfo(RequestSource.REQUEST_BY_USER_FORCED);

  public static void main(String[] roles) throws Throwable {
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    System.setOut(System.err); // the NameNode talks while it formats
    Configuration conf = new HdfsConfiguration();
    boolean namenode = !roles[0].equals("datanode");
    boolean datanode = roles[0].equals("datanode") || roles[0].equals("both");
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
    switch (words[0]) {
      case "folder": { // path, owner, octal mode
        Path path = new Path(words[1]);
        files.mkdirs(path);
        files.setOwner(path, words[2], words[2]);
        files.setPermission(path, new FsPermission((short) Integer.parseInt(words[3], 8)));
        return;
      }
      case "quota": // path, names, bytes; -1 lifts one
        files.setQuota(new Path(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]));
        return;
      case "safemode": // ENTER, LEAVE
        files.setSafeMode(HdfsConstants.SafeModeAction.valueOf("SAFEMODE_" + words[1]));
        return;
      case "active": // which NameNode of the pair
        namenode(files, words[1]).transitionToActive(BY_HAND);
        return;
      case "standby":
        namenode(files, words[1]).transitionToStandby(BY_HAND);
        return;
      default:
        throw new IllegalArgumentException("no such command: " + words[0]);
    }
  }

  private static HAServiceProtocol namenode(DistributedFileSystem files, String id)
      throws IOException {
    String pair = files.getConf().get("dfs.nameservices");
    return new NNHAServiceTarget(files.getConf(), pair, id).getProxy(files.getConf(), 30000);
  }
}
