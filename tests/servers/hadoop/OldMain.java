import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * OldMain CLASSPATH MAIN ARGS...: runs a program of Java 8's time on a newer Java. Such programs cast
 * the system class loader to URLClassLoader and read the version as "1.x"; both are given to them.
 * Ends when the standard input closes.
 */
public class OldMain {
  public static void main(String[] words) throws Throwable {
    System.setOut(System.err); // nobody reads the pipe, and a full one would stop the server
    System.setProperty("java.version", "1.8.0_412");
    System.setProperty("java.specification.version", "1.8");
    List<URL> urls = new ArrayList<>();
    for (String entry : words[0].split(File.pathSeparator)) urls.add(new File(entry).toURI().toURL());
    URLClassLoader loader =
        new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
    Thread watch = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (java.io.IOException e) {
        // a broken pipe is a closed one
      }
      Runtime.getRuntime().halt(0);
    });
    watch.setDaemon(true);
    watch.start();
    Thread.currentThread().setContextClassLoader(loader);
    Object arguments = Arrays.copyOfRange(words, 2, words.length);
    Class.forName(words[1], true, loader).getMethod("main", String[].class).invoke(null, arguments);
  }
}
