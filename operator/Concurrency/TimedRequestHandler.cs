namespace Bursar.Concurrency;

/// <summary>Counts a request as a part of what its caller does. A server in the same process may say that it keeps the request waiting (<see cref="LongPoll"/>).</summary>
public sealed class TimedRequestHandler : DelegatingHandler
{
    private readonly ActivityTracker _tracker;

    private TimedRequestHandler(ActivityTracker tracker, HttpMessageHandler handler)
        : base(handler) => _tracker = tracker;

    /// <summary>Returns the handler itself under a real clock.</summary>
    public static HttpMessageHandler Around(HttpMessageHandler handler, TimeProvider time) =>
        ActivityTracker.Of(time) is { } tracker ? new TimedRequestHandler(tracker, handler) : handler;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var unit = _tracker.Join("request", request.RequestUri);
        request.Headers.TryAddWithoutValidation(ActivityTracker.Header, unit.Ask().ToString());
        // Who waits no longer goes on, whatever the server still says.
        using (cancellationToken.UnsafeRegister(static state => ((ActivityUnit)state!).Answered(), unit))
            return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }
}
