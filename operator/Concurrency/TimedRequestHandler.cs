namespace Bursar.Concurrency;

/// <summary>
/// Counts a request as a part of its caller's unit. A server in the same process may pause it while it waits (<see cref="LongPoll"/>).
/// </summary>
public sealed class TimedRequestHandler(ActivityTracker tracker) : DelegatingHandler
{
    /// <summary>True for a request whose response is a stream of lines, which the caller handles one by one and then closes.</summary>
    public static readonly HttpRequestOptionsKey<bool> IsStream = new("Bursar.IsStream");

    /// <summary>Returns the handler itself under a real clock.</summary>
    public static HttpMessageHandler Around(HttpMessageHandler handler, TimeProvider time) =>
        ActivityTracker.From(time) is { } tracker ? new TimedRequestHandler(tracker) { InnerHandler = handler } : handler;

    /// <summary>Returns the stream that a response opened. Null under a real clock.</summary>
    public static Guid? StreamOf(HttpResponseMessage response) =>
        response.RequestMessage!.Headers.TryGetValues(ActivityTracker.Header, out var ids) ? Guid.Parse(ids.Single()) : null;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var unit = tracker.Join("request", request.RequestUri);
        // Each attempt has its own id, so that late reports about a failed attempt do not count for the next.
        var id = unit.BeginRequest();
        request.Headers.Remove(ActivityTracker.Header);
        request.Headers.TryAddWithoutValidation(ActivityTracker.Header, id.ToString());
        var opened = request.Options.TryGetValue(IsStream, out var isStream) && isStream;
        if (opened)
            tracker.Opened(id, request.RequestUri!.PathAndQuery);
        try
        {
            // A caller that is cancelled continues without the server's answer.
            using (cancellationToken.UnsafeRegister(static state => ((ActivityUnit)state!).EndRequest(), unit))
            {
                var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
                opened &= !response.IsSuccessStatusCode;
                return response;
            }
        }
        finally
        {
            if (opened)
                tracker.Closed(id);
        }
    }
}
