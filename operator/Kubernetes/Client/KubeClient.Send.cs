using System.Text.Json;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Client;

public sealed partial class KubeClient
{
    private delegate TResult Decode<out TResult>(ReadOnlySpan<byte> json);

    /// <summary>Creates the handlers of each request, outermost first. All except the retry handler see each attempt.</summary>
    private IEnumerable<DelegatingHandler> Handlers()
    {
        yield return new RetryHandler(_options, _log);
        if (_options.WriteFence is { } mayWrite)
            yield return new WriteFenceHandler(mayWrite);
        yield return new ReachabilityHandler(_reachability);
        yield return new DeadlineHandler(_options.RequestTimeout, TimeProvider);
        if (ActivityTracker is { } tracker)
            yield return new TimedRequestHandler(tracker);
        if (_options.Transport is { } transport)
            yield return transport;
    }

    /// <summary>Sends a request, buffers its response and decodes it.</summary>
    private async Task<TResult> SendAsync<TResult>(KubeRequest request, Decode<TResult> decode, CancellationToken cancellationToken)
    {
        using ActivityUnit? unit = ActivityTracker?.Join("request", request);
        using HttpResponseMessage response = await OpenAsync(request, cancellationToken).ConfigureAwait(false);
        return decode(await ReadAsync(response, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Sends a request. Returns a successful response with an unread body.</summary>
    /// <exception cref="ApiException">The server answered with an error status.</exception>
    private async Task<HttpResponseMessage> OpenAsync(KubeRequest request, CancellationToken cancellationToken)
    {
        HttpResponseMessage response = await _connection.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.Headers.Date is { } date)
            Volatile.Write(ref _serverTime, date.UtcTicks);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw Refusal(request, response, await ReadAsync(response, cancellationToken).ConfigureAwait(false));
    }

    private async Task<byte[]> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using Deadline deadline = new(_options.RequestTimeout, TimeProvider, cancellationToken);
        return await deadline.GuardAsync(response.Content.ReadAsByteArrayAsync).ConfigureAwait(false);
    }

    private static ApiException Refusal(KubeRequest request, HttpResponseMessage response, byte[] body)
    {
        V1Status? status = null;
        string text;
        try
        {
            status = JsonSerializer.Deserialize(body, KubeJson.TypeInfo<V1Status>());
            text = status?.Message ?? "";
        }
        catch (JsonException)
        {
            // Proxies and early checks of the API server answer in plain text, which becomes the message.
            text = System.Text.Encoding.UTF8.GetString(body.AsSpan(0, Math.Min(body.Length, 512))).Trim();
        }

        int code = (int)response.StatusCode;
        string message = text.Length == 0 ? $"{code} {response.ReasonPhrase}" : text;
        return new ApiException(code, status?.Reason ?? "", $"{request.Method} {request.PathAndQuery}: {message}", status);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Skipped an object that cannot be decoded: Kind={Kind} Reason={Reason}")]
    private partial void LogOddObject(string kind, string reason);
}
