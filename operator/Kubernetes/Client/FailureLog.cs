namespace Bursar.Kubernetes.Client;

/// <summary>
/// Selects the failures to log in an endlessly retrying loop: the first one with a reason, and the same one again at growing intervals. A
/// single broken connection is not selected. Neither are failures during an outage of the API server, because the client logs the outage
/// once. Thread-safe.
/// </summary>
public sealed class FailureLog(KubeClient client)
{
    /// <summary>Shortest interval between reasons that alternate.</summary>
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FirstInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private string? _reason;
    private DateTimeOffset _last;
    private TimeSpan _interval;
    private long _failures;

    /// <summary>Records a failure and returns whether to log it.</summary>
    /// <param name="failures">The failures since the last success, including this one.</param>
    public bool IsNews(Exception failure, out long failures)
    {
        lock (_gate)
        {
            failures = ++_failures;
            if (client.IsUnreachable || failure is HttpRequestException or IOException or TimeoutException && failures == 1)
                return false;
            var now = client.TimeProvider.GetUtcNow();
            // Compare only the part that repeats. The message of an ApiException contains the request, and each watch has another timeout.
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

    /// <summary>Records a success. Returns true if one of the failures before it was logged.</summary>
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
