namespace Bursar.Kubernetes.Client;

/// <summary>
/// Which failures of a loop that tries again for ever are worth a line: the first of a reason, and the same one again at growing intervals.
/// What fails because the API server is away is logged once for all loops by the client. Safe from any thread.
/// </summary>
public sealed class FailureLog(KubeClient client)
{
    /// <summary>Between two reasons that alternate.</summary>
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FirstInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private string? _reason;
    private DateTimeOffset _last;
    private TimeSpan _interval;
    private long _failures;

    /// <summary>Whether this failure is to be logged.</summary>
    /// <param name="failure">What went wrong.</param>
    /// <param name="failures">How often it has gone wrong without a success in between.</param>
    public bool IsNews(Exception failure, out long failures)
    {
        lock (_gate)
        {
            failures = ++_failures;
            if (client.IsUnreachable || failure is HttpRequestException or IOException or TimeoutException && failures == 1)
                return false;
            var now = client.TimeProvider.GetUtcNow();
            // The message of a refusal names the request, and a watch has another timeout each time.
            var reason = failure is ApiException refused
                ? $"{refused.StatusCode} {refused.Status?.Message ?? refused.Reason}"
                : failure.Message;
            if (_reason is null || _reason != reason && now >= _last + ShortestInterval)
                (_reason, _interval) = (reason, FirstInterval);
            else if (now < _last + _interval)
                return false;
            else
                _interval = _interval * 2 < LongestInterval ? _interval * 2 : LongestInterval;
            _last = now;
            return true;
        }
    }

    public bool IsNews(Exception failure) => IsNews(failure, out _);

    /// <summary>It went well; true where a failure had been logged before.</summary>
    public bool Succeeded()
    {
        if (Volatile.Read(ref _failures) == 0)
            return false;
        lock (_gate)
        {
            var logged = _reason is not null;
            (_reason, _failures) = (null, 0);
            return logged;
        }
    }
}
