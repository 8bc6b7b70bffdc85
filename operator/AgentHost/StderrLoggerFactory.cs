using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Bursar.AgentHost;

/// <summary>
/// Logs to stderr, one line an entry, as JSON or as text. The console logger of the framework writes to stdout unless told
/// otherwise and brings a queue and a thread of its own, which is memory on every GPU node.
/// </summary>
internal sealed class StderrLoggerFactory(TextWriter output, LogLevel level, bool json, TimeProvider time) : ILoggerFactory
{
    private readonly Lock gate = new();

    public ILogger CreateLogger(string categoryName) => new StderrLogger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("the agent logs to stderr only");

    public void Dispose()
    {
    }

    /// <summary>The framework's own chatter starts at warnings.</summary>
    private bool IsEnabled(string category, LogLevel wanted) =>
        wanted != LogLevel.None && wanted >= level && (wanted >= LogLevel.Warning || !category.StartsWith("Microsoft.", StringComparison.Ordinal));

    private void Write(string category, LogLevel at, string message, IReadOnlyList<KeyValuePair<string, object?>>? values, Exception? exception)
    {
        string now = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        string line = json ? Json(now, category, at, message, values, exception)
            : $"{now} {at,-11} {category[(category.LastIndexOf('.') + 1)..]}: {message}{(exception is null ? "" : " " + exception)}";
        lock (gate)
            output.WriteLine(line);
    }

    private static string Json(string now, string category, LogLevel at, string message, IReadOnlyList<KeyValuePair<string, object?>>? values, Exception? exception)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("time", now);
            writer.WriteString("level", at.ToString().ToLowerInvariant());
            writer.WriteString("logger", category);
            writer.WriteString("message", message);
            foreach (var (key, value) in values ?? [])
            {
                if (key != "{OriginalFormat}")
                    writer.WriteString(JsonNamingPolicy.CamelCase.ConvertName(key), Convert.ToString(value, CultureInfo.InvariantCulture));
            }
            if (exception is not null)
                writer.WriteString("exception", exception.ToString());
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private sealed class StderrLogger(StderrLoggerFactory factory, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => factory.IsEnabled(category, logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                factory.Write(category, logLevel, formatter(state, exception), state as IReadOnlyList<KeyValuePair<string, object?>>, exception);
        }
    }
}
