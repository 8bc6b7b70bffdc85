namespace Bursar.Concurrency;

/// <summary>Counts a request as a part of what its caller does. A server in the same process may say that it keeps the request waiting (<see cref="LongPoll"/>).</summary>
public sealed class TimedRequestHandler(ActivityTracker tracker) : DelegatingHandler
{
    /// <summary>True for a request whose answer is a stream of lines, which the caller handles one by one and closes.</summary>
    public static readonly HttpRequestOptionsKey<bool> IsStream = new("Bursar.IsStream");

    /// <summary>Returns the handler itself under a real clock.</summary>
    public static HttpMessageHandler Around(HttpMessageHandler handler, TimeProvider time) =>
        ActivityTracker.From(time) is { } tracker ? new TimedRequestHandler(tracker) { InnerHandler = handler } : handler;

    /// <summary>The stream that an answer opened. Null where nothing is counted.</summary>
    public static Guid? StreamOf(HttpResponseMessage response) =>
        response.RequestMessage!.Headers.TryGetValues(ActivityTracker.Header, out var ids) ? Guid.Parse(ids.Single()) : null;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var unit = tracker.Join("request", request.RequestUri);
        // Each try has an id of its own: what a server still reports of a try that broke must not count for the next.
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
