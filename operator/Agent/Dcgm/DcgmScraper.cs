using System.Net;
using System.Net.Sockets;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// Scrapes dcgm-exporter pods over plain HTTP. It connects to the pod's address only, without redirects, proxy, cookies or compression,
/// within two seconds and 4 MiB. Safe for concurrent use.
/// </summary>
public sealed class DcgmScraper : IDisposable
{
    public const string Path = "/metrics";

    public const int MaxBytes = 4 * 1024 * 1024;

    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time;
    private readonly HttpClient _client;

    public DcgmScraper(TimeProvider time)
    {
        this._time = time;
        _client = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseProxy = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None,
                MaxResponseHeadersLength = 32,
                ActivityHeadersPropagator = null,
                PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            }
        )
        {
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        };
    }

    /// <exception cref="HttpRequestException">The connection failed, or the status is not 200.</exception>
    /// <exception cref="IOException">The page is too large, or the connection broke.</exception>
    /// <exception cref="TimeoutException">The exporter did not answer in time.</exception>
    /// <exception cref="Core.Text.PrometheusFormatException">The body is not a metrics page.</exception>
    public async Task<DcgmPage> ReadAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        string host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address.Address}]" : address.Address.ToString();
        using var deadline = new CancellationTokenSource(Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://{host}:{address.Port}{Path}"));
            request.Headers.TryAddWithoutValidation("Accept", "text/plain;version=0.0.4");
            request.Headers.TryAddWithoutValidation("User-Agent", "bursar");
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            if (response.StatusCode != HttpStatusCode.OK)
                throw new HttpRequestException($"it answers {(int)response.StatusCode}");
            if (response.Content.Headers.ContentLength > MaxBytes)
                throw new IOException($"it answers more than {MaxBytes} bytes");
            await using var body = await response.Content.ReadAsStreamAsync(either.Token);
            using var page = new MemoryStream();
            byte[] buffer = new byte[16 * 1024];
            while (await body.ReadAsync(buffer, either.Token) is > 0 and var read)
            {
                if (page.Length + read > MaxBytes)
                    throw new IOException($"it answers more than {MaxBytes} bytes");
                page.Write(buffer, 0, read);
            }
            return DcgmPage.Read(page.GetBuffer().AsSpan(0, (int)page.Length));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"it does not answer within {Timeout.TotalSeconds} s");
        }
    }

    public void Dispose() => _client.Dispose();
}
