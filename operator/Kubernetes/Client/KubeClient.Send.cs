using System.Net.Http.Headers;
using System.Text.Json;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private delegate TResult Decode<out TResult>(ReadOnlySpan<byte> json);

    /// <summary>Sends a request with a short answer and decodes it.</summary>
    private async Task<TResult> SendAsync<TResult>(KubeRequest request, Decode<TResult> decode, CancellationToken cancellationToken)
    {
        using ActivityUnit? unit = ActivityTracker?.Join("request", request);
        using Deadline deadline = new(_options.RequestTimeout, TimeProvider, cancellationToken);
        try
        {
            return await deadline
                .GuardAsync(async token =>
                {
                    using HttpResponseMessage response = (await OpenAsync(request, unit, deadline, token).ConfigureAwait(false)).Response;
                    byte[] json = await response.Content.ReadAsByteArrayAsync(token).ConfigureAwait(false);
                    return decode(json);
                })
                .ConfigureAwait(false);
        }
        catch (TimeoutException silent)
        {
            _reachability.Failed(silent.Message);
            throw;
        }
    }

    /// <summary>
    /// Sends a request until it is answered, within the rules for trying again. The caller's unit of activity is given up while
    /// waiting. The answer is a success; its body is unread. Of a watch it goes with the id of its stream, which the caller closes.
    /// </summary>
    private async Task<(HttpResponseMessage Response, Guid? Stream)> OpenAsync(
        KubeRequest request,
        ActivityUnit? unit,
        Deadline deadline,
        CancellationToken cancellationToken
    )
    {
        int throttled = 0,
            failed = 0;
        bool refused = false;
        while (true)
        {
            // Asked before each try: the wait before it may have outlived the lease.
            if (request.Fenced && _options.WriteFence is { } mayWrite && !mayWrite())
                throw new LeadershipLostException(
                    $"Held back {request.Method} {request.PathAndQuery}: this process may not lead any more."
                );

            TimeSpan wait;
            // Of each try its own: what a server still says of a try that broke must not count for the next.
            Guid? id = unit?.Ask();
            Guid? stream = request.IsWatch ? id : null;
            if (stream is { } opened)
                ActivityTracker?.Opened(opened, request.ToString());
            try
            {
                deadline.Restart();
                using HttpRequestMessage message = Message(request, id);
                HttpResponseMessage response;
                // A server may keep the request waiting; its asker goes on when it waits no longer.
                using (unit is null ? default : cancellationToken.UnsafeRegister(static state => ((ActivityUnit)state!).Answered(), unit))
                    response = await _connection.SendAsync(message, cancellationToken).ConfigureAwait(false);
                // A proxy that has lost the server answers in its place.
                if ((int)response.StatusCode is 502 or 503 or 504 && response.Content.Headers.ContentType?.MediaType != "application/json")
                    _reachability.Failed($"{(int)response.StatusCode} {response.ReasonPhrase}");
                else
                    _reachability.Answered();
                if (response.Headers.Date is { } date)
                    Volatile.Write(ref _serverTime, date.UtcTicks);
                if (response.IsSuccessStatusCode)
                {
                    Guid? following = stream;
                    stream = null;
                    return (response, following);
                }

                ApiException refusal;
                using (response)
                    refusal = await RefusalAsync(request, response, cancellationToken).ConfigureAwait(false);
                if (refusal.StatusCode == 401 && !refused && _connection.Refused())
                {
                    refused = true;
                    continue;
                }

                if (refusal.IsTooManyRequests && throttled < _options.MaxThrottleRetries)
                {
                    throttled++;
                    wait = refusal.RetryAfter ?? TimeSpan.FromSeconds(1);
                    if (wait > LongestWait)
                        wait = LongestWait;
                    LogThrottled(request.Method, request.PathAndQuery, wait);
                }
                else if (refusal.StatusCode is 500 or 502 or 503 or 504 && request.IsRead && failed < _options.MaxReadRetries)
                {
                    wait = refusal.RetryAfter is { } asked && asked <= LongestWait ? asked : Backoff(failed);
                    failed++;
                    LogRetried(request.Method, request.PathAndQuery, refusal.Message, wait);
                }
                else
                {
                    throw refusal;
                }
            }
            catch (HttpRequestException broken)
                when (request.IsRead && failed < _options.MaxReadRetries && !cancellationToken.IsCancellationRequested)
            {
                _reachability.Failed(broken.Message);
                wait = Backoff(failed);
                failed++;
                LogRetried(request.Method, request.PathAndQuery, broken.Message, wait);
            }
            catch (HttpRequestException broken) when (!cancellationToken.IsCancellationRequested)
            {
                _reachability.Failed(broken.Message);
                throw;
            }
            finally
            {
                unit?.Answered();
                if (stream is { } closed)
                    ActivityTracker?.Closed(closed);
            }

            deadline.Stop();
            await ActivityUnit.DelayAsync(unit, TimeProvider, wait, cancellationToken).ConfigureAwait(false);
        }
    }

    private HttpRequestMessage Message(KubeRequest request, Guid? asked)
    {
        HttpRequestMessage message = new(request.Method, _connection.Address(request.PathAndQuery));
        message.Headers.TryAddWithoutValidation("Accept", request.Accept);
        if (asked is { } id)
            message.Headers.TryAddWithoutValidation(ActivityTracker.Header, id.ToString());
        if (request.Body is not null)
        {
            message.Content = new ByteArrayContent(request.Body);
            message.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(request.ContentType!);
        }

        return message;
    }

    private static async Task<ApiException> RefusalAsync(
        KubeRequest request,
        HttpResponseMessage response,
        CancellationToken cancellationToken
    )
    {
        byte[] body = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        V1Status? status = null;
        string text;
        try
        {
            status = JsonSerializer.Deserialize(body, KubeJson.Of<V1Status>());
            text = status?.Message ?? "";
        }
        catch (JsonException)
        {
            // Proxies and early refusals answer in plain text: then that is the message.
            text = System.Text.Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 512))).Trim();
        }

        TimeSpan? retryAfter = response.Headers.RetryAfter?.Delta;
        if (retryAfter is null && status?.Details is { RetryAfterSeconds: > 0 and int seconds })
            retryAfter = TimeSpan.FromSeconds(seconds);
        int code = (int)response.StatusCode;
        string said = text.Length == 0 ? $"{code} {response.ReasonPhrase}" : text;
        return new ApiException(code, status?.Reason ?? "", $"{request.Method} {request.PathAndQuery}: {said}", status, retryAfter);
    }

    /// <summary>0.1 s, 0.4 s, 1.6 s …, each by half to one and a half.</summary>
    private TimeSpan Backoff(int failed)
    {
        double spread;
        lock (_options.Random)
            spread = 0.5 + _options.Random.NextDouble();
        return TimeSpan.FromSeconds(Math.Min(0.1 * Math.Pow(4, failed) * spread, 10));
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The server puts off {Method} {Path}; trying again in {Wait}")]
    private partial void LogThrottled(HttpMethod method, string path, TimeSpan wait);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} {Path} failed ({Reason}); trying again in {Wait}")]
    private partial void LogRetried(HttpMethod method, string path, string reason, TimeSpan wait);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Left out a {Kind} that does not decode: {Reason}")]
    private partial void LogOddObject(string kind, string reason);
}
