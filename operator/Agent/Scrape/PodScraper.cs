using System.Net;
using System.Net.Sockets;
using Bursar.Core.Usage;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Scrapes one page of one pod over plain HTTP. It connects to the pod's address only, without redirects, proxy, cookies or compression,
/// within the time and size of <see cref="ScrapeOptions"/>. Failures are returned as a <see cref="ScrapeOutcome"/>.
/// </summary>
public sealed class PodScraper : IDisposable
{
    private readonly ScrapeOptions _options;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;
    private readonly ServingReader _serving;

    public PodScraper(ScrapeOptions options, TimeProvider time)
    {
        this._options = options;
        this._time = time;
        _serving = new ServingReader([.. options.Servers, .. ServingMetrics.Known]);
        _client = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseProxy = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None,
                MaxResponseHeadersLength = 32,
                ActivityHeadersPropagator = null,
                PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public async Task<ScrapeResult> ScrapeAsync(TargetPod pod, ScrapeTarget target, CancellationToken cancellationToken)
    {
        if (target.Kind is not (ScrapeTarget.Serving or ScrapeTarget.Progress))
            return new ScrapeResult(ScrapeOutcome.UnknownKind, $"kind '{target.Kind}' is none of serving, progress");
        IPAddress? address = null;
        if (
            pod.Ips.FirstOrDefault(ip => IPAddress.TryParse(ip, out address)) is null
            || address is null
            || target.Port is < 1 or > 65535
            || !target.Path.StartsWith('/')
        )
        {
            return new ScrapeResult(ScrapeOutcome.NoAddress, "the target has no address, port and path to read from");
        }
        string host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
        if (
            !Uri.TryCreate($"http://{host}:{target.Port}{target.Path}", UriKind.Absolute, out var uri)
            || uri.Host.Trim('[', ']') != address.ToString()
        )
            return new ScrapeResult(ScrapeOutcome.NoAddress, $"the path '{target.Path}' is not valid");

        using var deadline = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, uri);
            request.Headers.TryAddWithoutValidation("Accept", "text/plain;version=0.0.4");
            request.Headers.TryAddWithoutValidation("User-Agent", "bursar-agent");
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            int status = (int)response.StatusCode;
            if (status is >= 300 and < 400)
                return new ScrapeResult(ScrapeOutcome.Redirect, $"{uri} answers a redirect, which is not followed");
            if (status != 200)
                return new ScrapeResult(ScrapeOutcome.Status, $"{uri} answers {status}");
            if (response.Content.Headers.ContentEncoding.FirstOrDefault(encoding => encoding != "identity") is { } packed)
                return new ScrapeResult(ScrapeOutcome.Malformed, $"{uri} answers in {packed}, which was not requested");
            if (response.Content.Headers.ContentLength > _options.MaxBytes)
                return TooLarge(uri);
            await using var body = await response.Content.ReadAsStreamAsync(either.Token);
            using var page = new MemoryStream();
            byte[] buffer = new byte[16 * 1024];
            while (await body.ReadAsync(buffer, either.Token) is > 0 and var read)
            {
                if (page.Length + read > _options.MaxBytes)
                    return TooLarge(uri);
                page.Write(buffer, 0, read);
            }
            var text = page.GetBuffer().AsSpan(0, (int)page.Length);
            return target.Kind == ScrapeTarget.Serving ? _serving.Read(text) : ExpositionReader.ReadProgress(text, _options);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new ScrapeResult(ScrapeOutcome.TimedOut, $"{uri} did not answer within {_options.Timeout.TotalSeconds} s");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return new ScrapeResult(ScrapeOutcome.Unreachable, $"{uri}: {exception.GetBaseException().Message}");
        }
    }

    public void Dispose() => _client.Dispose();

    private ScrapeResult TooLarge(Uri uri) => new(ScrapeOutcome.TooLarge, $"{uri} answers more than {_options.MaxBytes} bytes");
}
