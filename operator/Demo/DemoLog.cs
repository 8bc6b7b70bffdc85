using Microsoft.Extensions.Logging;

namespace Bursar.Demo;

/// <summary>Sends warnings and errors to the screen, which shows them without breaking its layout.</summary>
internal sealed class DemoLog : ILoggerProvider
{
    private Action<string> _write = _ => { };

    public void SetWriter(Action<string> say) => Volatile.Write(ref _write, say);

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName[(categoryName.LastIndexOf('.') + 1)..]);

    public void Dispose() { }

    private sealed class Logger(DemoLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (IsEnabled(logLevel))
                Volatile.Read(ref log._write)(
                    $"[{logLevel}] {category}: {formatter(state, exception)}{(exception is null ? "" : $" ({exception.GetType().Name}: {exception.Message})")}"
                );
        }
    }
}
