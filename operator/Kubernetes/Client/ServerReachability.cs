using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Client;

/// <summary>
/// Whether the API server answers, by the outcome of all requests of a client. It logs one line when the server stops answering, further
/// ones at growing intervals while it does not, and one when it answers again, however many loops ask it. Safe from any thread.
/// </summary>
internal sealed partial class ServerReachability(Uri server, TimeProvider time, ILogger log)
{
    /// <summary>A single broken connection is no outage: its request is tried again.</summary>
    private const int FailuresOfOutage = 3;

    private static readonly TimeSpan FirstInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private volatile bool _isDown;
    private int _inARow;
    private long _failures;
    private bool _said;
    private DateTimeOffset _since;
    private DateTimeOffset _nextLine;
    private TimeSpan _interval;

    /// <summary>Requests have failed in a row: the reason is logged here, so that the loops need not repeat it.</summary>
    public bool IsDown => _isDown;

    /// <summary>A request did not reach the server, or something before it answered in its place.</summary>
    public void Failed(string reason)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            if (_inARow++ == 0)
                (_since, _failures) = (now, 0);
            _failures++;
            if (_inARow < FailuresOfOutage)
                return;
            if (!_isDown)
            {
                _isDown = true;
                _said = now >= _nextLine;
                _interval = FirstInterval;
                if (!_said)
                    return;
                _nextLine = now + _interval;
                LogDown(server, reason);
                return;
            }
            if (now < _nextLine)
                return;
            _interval = _interval * 2 < LongestInterval ? _interval * 2 : LongestInterval;
            _nextLine = now + _interval;
            _said = true;
            LogStillDown(server, _since, _failures, reason);
        }
    }

    /// <summary>The server answered, whatever it said.</summary>
    public void Answered()
    {
        if (Volatile.Read(ref _inARow) == 0)
            return;
        lock (_gate)
        {
            _inARow = 0;
            if (!_isDown)
                return;
            _isDown = false;
            if (!_said)
                return;
            var now = time.GetUtcNow();
            // A server that comes and goes is not told of more often than that.
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

/// <summary>Reports the outcome of each try.</summary>
internal sealed class ReachabilityHandler(ServerReachability reachability) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            // A proxy that has lost the server answers in its place.
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
