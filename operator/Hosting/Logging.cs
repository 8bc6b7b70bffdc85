using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Bursar.Hosting;

/// <summary>
/// Creates the logs of both programs: one line per entry, on stderr because stdout is for a command's output. An entry is written before
/// the call returns, so that the last entries before a crash are not lost in a queue.
/// </summary>
public static class Logging
{
    /// <summary>Creates a log on stderr from the values of <c>--log-format</c> and <c>--log-level</c>.</summary>
    public static ILoggerFactory Create(string format, string level) =>
        Create(
            Enum.Parse<LogFormat>(format, ignoreCase: true),
            Enum.Parse<LogLevel>(level, ignoreCase: true),
            Console.Error,
            TimeProvider.System
        );

    public static ILoggerFactory Create(LogFormat format, LogLevel level, TextWriter output, TimeProvider time) =>
        new LineLoggerFactory(format, level, output, time);

    private sealed class LineLoggerFactory(LogFormat format, LogLevel level, TextWriter output, TimeProvider time) : ILoggerFactory
    {
        private readonly Lock _gate = new();

        public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("logs go to one writer only");

        public void Dispose() { }

        /// <summary>True for entries of the wanted level; the framework's own entries need at least a warning.</summary>
        public bool IsEnabled(string category, LogLevel wanted) =>
            // The host logs failures that its caller also gets as an exception, so its entries are dropped.
            wanted != LogLevel.None
            && wanted >= level
            && !category.StartsWith("Microsoft.Extensions.Hosting.", StringComparison.Ordinal)
            && (
                wanted >= LogLevel.Warning
                || !category.StartsWith("Microsoft.", StringComparison.Ordinal) && !category.StartsWith("System.", StringComparison.Ordinal)
            );

        public void Write(
            string category,
            LogLevel at,
            string message,
            IReadOnlyList<KeyValuePair<string, object?>>? values,
            Exception? exception
        )
        {
            var now = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            var line =
                format == LogFormat.Json
                    ? Json(now, category, at, message, values, exception)
                    : Text(now, category, at, message, exception);
            lock (_gate)
            {
                output.WriteLine(line);
                output.Flush();
            }
        }

        private static string Text(string now, string category, LogLevel at, string message, Exception? exception)
        {
            var line = $"{now} {LevelText(at), -5} {category[(category.LastIndexOf('.') + 1)..]}: {message}";
            // Keep an entry with a stack trace on one line for log collectors and grep.
            return (exception is null ? line : $"{line} {exception}").ReplaceLineEndings(" | ");
        }

        private static string Json(
            string now,
            string category,
            LogLevel at,
            string message,
            IReadOnlyList<KeyValuePair<string, object?>>? values,
            Exception? exception
        )
        {
            var buffer = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(buffer))
            {
                writer.WriteStartObject();
                writer.WriteString("time", now);
                writer.WriteString("level", LevelText(at));
                writer.WriteString("logger", category);
                writer.WriteString("msg", message);
                foreach (var (key, value) in values ?? [])
                    if (key != "{OriginalFormat}")
                        Write(writer, key, value);
                if (exception is not null)
                    writer.WriteString("exception", exception.ToString());
                writer.WriteEndObject();
            }
            return Encoding.UTF8.GetString(buffer.WrittenSpan);
        }

        private static void Write(Utf8JsonWriter writer, string key, object? value)
        {
            var name = JsonNamingPolicy.CamelCase.ConvertName(key.TrimStart('@'));
            // A value must not hide the time or message from a parser that uses the last of two equal keys.
            if (name is "time" or "level" or "logger" or "msg" or "exception")
                name += "Value";
            switch (value)
            {
                case null:
                    writer.WriteNull(name);
                    break;
                case bool flag:
                    writer.WriteBoolean(name, flag);
                    break;
                case int number:
                    writer.WriteNumber(name, number);
                    break;
                case long number:
                    writer.WriteNumber(name, number);
                    break;
                case double number when double.IsFinite(number):
                    writer.WriteNumber(name, number);
                    break;
                default:
                    writer.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                    break;
            }
        }

        private static string LevelText(LogLevel level) =>
            level switch
            {
                LogLevel.Trace => "trace",
                LogLevel.Debug => "debug",
                LogLevel.Information => "info",
                LogLevel.Warning => "warn",
                LogLevel.Error => "error",
                _ => "fatal",
            };
    }

    private sealed class LineLogger(LineLoggerFactory factory, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => factory.IsEnabled(category, logLevel);

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (IsEnabled(logLevel))
                factory.Write(
                    category,
                    logLevel,
                    formatter(state, exception),
                    state as IReadOnlyList<KeyValuePair<string, object?>>,
                    exception
                );
        }
    }
}
