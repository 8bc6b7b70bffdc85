using Microsoft.Extensions.Logging;

namespace Bursar.Demo;

/// <summary>Takes the parts' warnings and errors to the screen, where they must not tear the picture.</summary>
internal sealed class DemoLog : ILoggerProvider
{
    private Action<string> _say = _ => { };

    public void SayBy(Action<string> say) => Volatile.Write(ref _say, say);

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
                Volatile.Read(ref log._say)(
                    $"[{logLevel}] {category}: {formatter(state, exception)}{(exception is null ? "" : $" ({exception.GetType().Name}: {exception.Message})")}"
                );
        }
    }
}
