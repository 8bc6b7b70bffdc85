using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Client;

/// <summary>
/// Tracks whether the API server is reachable, from the outcome of all requests of a client. It logs the start of an outage, reminders at
/// growing intervals, and the end. Code that uses the client need not log an outage itself. Thread-safe.
/// </summary>
internal sealed partial class ServerReachability(Uri server, TimeProvider time, ILogger log)
{
    /// <summary>Failures in a row that make an outage. Fewer may be single broken connections.</summary>
    private const int OutageThreshold = 3;

    private static readonly TimeSpan FirstInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private volatile bool _isDown;
    private int _consecutive;
    private long _failures;
    private bool _isLogged;
    private DateTimeOffset _since;
    private DateTimeOffset _nextLine;
    private TimeSpan _interval;

    /// <summary>True during an outage. The outage is logged here, so loops need not repeat it.</summary>
    public bool IsDown => _isDown;

    /// <summary>Records that a request did not reach the API server, or that a proxy answered in its place.</summary>
    public void Failed(string reason)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            if (_consecutive++ == 0)
                (_since, _failures) = (now, 0);
            _failures++;
            if (_consecutive < OutageThreshold)
                return;
            if (!_isDown)
            {
                _isDown = true;
                _isLogged = now >= _nextLine;
                _interval = FirstInterval;
                if (!_isLogged)
                    return;
                _nextLine = now + _interval;
                LogDown(server, reason);
                return;
            }
            if (now < _nextLine)
                return;
            _interval = _interval * 2 < LongestInterval ? _interval * 2 : LongestInterval;
            _nextLine = now + _interval;
            _isLogged = true;
            LogStillDown(server, _since, _failures, reason);
        }
    }

    /// <summary>Records that the API server answered, with any status code.</summary>
    public void Answered()
    {
        if (Volatile.Read(ref _consecutive) == 0)
            return;
        lock (_gate)
        {
            _consecutive = 0;
            if (!_isDown)
                return;
            _isDown = false;
            if (!_isLogged)
                return;
            var now = time.GetUtcNow();
            // A new outage within this interval is logged only after the interval, because the server may come and go.
            _nextLine = now + FirstInterval;
            LogAnswers(server, now - _since, _failures);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "API server {Server} is unreachable, retrying: {Reason}")]
    private partial void LogDown(Uri server, string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "API server {Server} is still unreachable since {Since}, {Failures} requests failed: {Reason}"
    )]
    private partial void LogStillDown(Uri server, DateTimeOffset since, long failures, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "API server {Server} answers again after {Outage}, {Failures} requests had failed"
    )]
    private partial void LogAnswers(Uri server, TimeSpan outage, long failures);
}

/// <summary>Reports the outcome of each attempt to <see cref="ServerReachability"/>.</summary>
internal sealed class ReachabilityHandler(ServerReachability reachability) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            // A proxy that cannot reach the API server answers with a page that is not JSON.
            if ((int)response.StatusCode is 502 or 503 or 504 && response.Content.Headers.ContentType?.MediaType != "application/json")
                reachability.Failed($"{(int)response.StatusCode} {response.ReasonPhrase}");
            else
                reachability.Answered();
            return response;
        }
        catch (Exception failure) when (failure is HttpRequestException or TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            reachability.Failed(failure.Message);
            throw;
        }
    }
}
