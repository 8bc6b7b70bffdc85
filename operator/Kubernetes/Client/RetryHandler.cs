using System.Net;
using Bursar.Concurrency;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Client;

/// <summary>
/// Retries a request that the server throttles (429), and a read after a broken connection or a server error. It is outside of the handlers
/// that concern a single attempt.
/// </summary>
internal sealed partial class RetryHandler(KubeClientOptions options, ILogger log) : DelegatingHandler
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        bool isRead = request.Method == HttpMethod.Get || request.Method == HttpMethod.Head;
        int throttled = 0,
            failed = 0;
        while (true)
        {
            TimeSpan wait;
            try
            {
                HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
                TimeSpan? retryAfter = response.Headers.RetryAfter?.Delta;
                if (response.StatusCode == HttpStatusCode.TooManyRequests && throttled < options.MaxThrottleRetries)
                {
                    throttled++;
                    wait = retryAfter ?? TimeSpan.FromSeconds(1);
                    if (wait > LongestWait)
                        wait = LongestWait;
                    LogThrottled(request.Method, request.RequestUri, wait);
                }
                else if ((int)response.StatusCode is 500 or 502 or 503 or 504 && isRead && failed < options.MaxReadRetries)
                {
                    wait = retryAfter <= LongestWait ? retryAfter.Value : Backoff(failed);
                    failed++;
                    LogRetried(request.Method, request.RequestUri, $"{(int)response.StatusCode} {response.ReasonPhrase}", wait);
                }
                else
                {
                    return response;
                }

                response.Dispose();
            }
            catch (HttpRequestException broken)
                when (isRead && failed < options.MaxReadRetries && !cancellationToken.IsCancellationRequested)
            {
                wait = Backoff(failed);
                failed++;
                LogRetried(request.Method, request.RequestUri, broken.Message, wait);
            }

            await PeriodicLoop.PauseAsync(options.TimeProvider, wait, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Returns 0.1 s, 0.4 s, 1.6 s and so on, times a random factor of 0.5 to 1.5, but at most 10 s.</summary>
    private TimeSpan Backoff(int failed)
    {
        double spread;
        lock (options.Random)
            spread = 0.5 + options.Random.NextDouble();
        return TimeSpan.FromSeconds(Math.Min(0.1 * Math.Pow(4, failed) * spread, 10));
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "API server asks to retry: Method={Method} Address={Address} After={Wait}")]
    private partial void LogThrottled(HttpMethod method, Uri? address, TimeSpan wait);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} {Address} failed ({Reason}); trying again in {Wait}")]
    private partial void LogRetried(HttpMethod method, Uri? address, string reason, TimeSpan wait);
}
