import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;

/** What every client for Java is asked: named cases, one line of output for each. See ../main.rs. */
final class Suite {
    interface Body {
        void run() throws Exception;
    }

    record Address(String host, int port) {
        static Address of(String text) {
            int colon = text.lastIndexOf(':');
            return new Address(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
        }
    }

    static final Address DOOR = Address.of(System.getenv("DOOR"));
    static final Address LOCKED = Address.of(System.getenv("LOCKED"));
    static final String PASSWORD = System.getenv("PASSWORD");
    static final String WRONG = "not-the-password";
    static final String PREFIX = System.getenv("PREFIX");
    static final String K = PREFIX + "k";
    static final String NOBODY = PREFIX + "nobody";
    static final String TEXT = "any text, žluťoučký\r\n\0";

    static TreeSet<String> scanKeys() {
        TreeSet<String> keys = new TreeSet<>();
        for (int k = 0; k < 25; k++) {
            keys.add(PREFIX + "scan:" + k);
        }
        return keys;
    }

    static void expect(Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new AssertionError(found + " instead of " + wanted);
        }
    }

    static void expectBetween(long found, long low, long high) {
        if (found < low || found > high) {
            throw new AssertionError(found + " is not from " + low + " to " + high);
        }
    }

    static void expectError(String words, Body body) {
        try {
            body.run();
        } catch (Exception error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                if (String.valueOf(cause.getMessage()).contains(words)) {
                    return;
                }
            }
            throw new AssertionError("the error does not say " + words + ": " + error, error);
        }
        throw new AssertionError("no error");
    }

    static List<String> counted() {
        List<String> numbers = new ArrayList<>();
        for (int k = 0; k < 100; k++) {
            numbers.add(String.valueOf(k));
        }
        return numbers;
    }

    static void run(String[] arguments, Class<?> client, Body hello, List<Map.Entry<String, Body>> cases)
            throws Exception {
        String jar = client.getProtectionDomain().getCodeSource().getLocation().getPath();
        System.out.println("version " + jar.replaceAll(".*-(\\d[^/]*)\\.jar", "$1"));
        if (arguments.length > 0 && arguments[0].equals("hello")) {
            hello.run();
            return;
        }
        for (Map.Entry<String, Body> one : cases) {
            try {
                one.getValue().run();
                System.out.println("ok " + one.getKey());
            } catch (Exception | AssertionError error) {
                System.out.println("FAILED " + one.getKey() + ": " + String.valueOf(error).replace('\n', ' '));
            }
        }
    }
}
