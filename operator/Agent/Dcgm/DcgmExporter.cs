using System.Net;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Text;
using Bursar.Core.Usage;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// Reads GPUs and their pods from the node's dcgm-exporter. Its figures are up to 30 seconds old, so it is scraped every five seconds
/// only.
/// </summary>
public sealed class DcgmExporter : IGpuReader, IPodResources
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private const int MaxBytes = 4 * 1024 * 1024;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly Uri _address;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;
    private GpuSnapshot _snapshot = new(NvmlState.NoDriver, "the dcgm-exporter was not read yet", []);
    private volatile IReadOnlyList<PodDevice>? _pods;
    private DateTimeOffset _next = DateTimeOffset.MinValue;
    private long _skippedLines;

    public DcgmExporter(Uri address, TimeProvider time)
    {
        this._address = address;
        this._time = time;
        _client = new HttpClient(
            new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseProxy = false,
                UseCookies = false,
                AutomaticDecompression = DecompressionMethods.None,
                ActivityHeadersPropagator = null,
            }
        )
        {
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        };
    }

    public GpuSnapshot Read()
    {
        var now = _time.GetUtcNow();
        if (now < _next && now >= _next - Every)
            return _snapshot;
        _next = now + Every;
        try
        {
            var page = DcgmPage.Read(Fetch());
            _pods = page.Pods;
            _skippedLines += page.SkippedLines;
            return _snapshot =
                page.Devices.Count == 0
                    ? new GpuSnapshot(NvmlState.NoDriver, $"the dcgm-exporter at {_address} shows no GPU", [])
                    {
                        SkippedLines = _skippedLines,
                    }
                    : new GpuSnapshot(
                        NvmlState.Ready,
                        $"dcgm-exporter at {_address}, {page.Devices.Count(d => d.ParentUuid is null)} GPUs",
                        page.Devices
                    )
                    {
                        Source = UsageReport.DcgmSource,
                        SkippedLines = _skippedLines,
                    };
        }
        catch (Exception exception)
            when (exception is HttpRequestException or IOException or OperationCanceledException or PrometheusFormatException)
        {
            _pods = null;
            string reason =
                exception is OperationCanceledException
                    ? $"no answer within {Timeout.TotalSeconds} s"
                    : exception.GetBaseException().Message;
            return _snapshot = new GpuSnapshot(NvmlState.NoDriver, $"the dcgm-exporter at {_address} cannot be read: {reason}", [])
            {
                SkippedLines = _skippedLines,
            };
        }
    }

    /// <summary>Returns the pods of the latest page. Empty if the exporter adds no Kubernetes labels.</summary>
    /// <exception cref="PodResourcesException">The latest scrape failed.</exception>
    public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) =>
        _pods is { } list ? Task.FromResult(list) : throw new PodResourcesException($"the dcgm-exporter at {_address} reports no pods");

    public void Dispose() => _client.Dispose();

    private byte[] Fetch()
    {
        using var deadline = new CancellationTokenSource(Timeout, _time);
        using var request = new HttpRequestMessage(HttpMethod.Get, _address);
        request.Headers.TryAddWithoutValidation("Accept", "text/plain;version=0.0.4");
        using var response = _client.Send(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
        if (response.StatusCode != HttpStatusCode.OK)
            throw new HttpRequestException($"it answers {(int)response.StatusCode}");
        using var body = response.Content.ReadAsStream(deadline.Token);
        using var page = new MemoryStream();
        byte[] buffer = new byte[16 * 1024];
        while (body.Read(buffer) is > 0 and var read)
        {
            if (page.Length + read > MaxBytes)
                throw new IOException($"it answers more than {MaxBytes} bytes");
            page.Write(buffer, 0, read);
        }
        return page.ToArray();
    }
}
