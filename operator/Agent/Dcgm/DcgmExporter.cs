using System.Net;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Text;
using Bursar.Core.Usage;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// The node's dcgm-exporter as a reader of GPUs, and of who holds them. Its own figures are up to half a minute old, so it is asked
/// every five seconds only.
/// </summary>
public sealed class DcgmExporter : IGpuReader, IPodResources
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private const int MaxBytes = 4 * 1024 * 1024;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    private readonly Uri address;
    private readonly TimeProvider time;
    private readonly HttpClient client;
    private GpuSnapshot snapshot = new(NvmlState.NoDriver, "the dcgm-exporter was not asked yet", []);
    private volatile IReadOnlyList<PodDevice>? pods;
    private DateTimeOffset next = DateTimeOffset.MinValue;
    private long skippedLines;

    public DcgmExporter(Uri address, TimeProvider time)
    {
        this.address = address;
        this.time = time;
        client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
        })
        { Timeout = System.Threading.Timeout.InfiniteTimeSpan };
    }

    public GpuSnapshot Read()
    {
        var now = time.GetUtcNow();
        if (now < next && now >= next - Every)
            return snapshot;
        next = now + Every;
        try
        {
            var page = DcgmPage.Read(Fetch());
            pods = page.Pods;
            skippedLines += page.SkippedLines;
            return snapshot = page.Devices.Count == 0
                ? new GpuSnapshot(NvmlState.NoDriver, $"the dcgm-exporter at {address} shows no GPU", []) { SkippedLines = skippedLines }
                : new GpuSnapshot(NvmlState.Ready, $"dcgm-exporter at {address}, {page.Devices.Count(d => d.ParentUuid is null)} GPUs", page.Devices) { Source = UsageReport.DcgmSource, SkippedLines = skippedLines };
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException or PrometheusFormatException)
        {
            pods = null;
            string word = exception is OperationCanceledException ? $"no answer within {Timeout.TotalSeconds} s" : exception.GetBaseException().Message;
            return snapshot = new GpuSnapshot(NvmlState.NoDriver, $"the dcgm-exporter at {address} cannot be read: {word}", []) { SkippedLines = skippedLines };
        }
    }

    /// <summary>The pods of the page that was read last; without the exporter's Kubernetes labels, none.</summary>
    public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) =>
        pods is { } list ? Task.FromResult(list) : throw new PodResourcesException($"the dcgm-exporter at {address} tells of no pods");

    public void Dispose() => client.Dispose();

    private byte[] Fetch()
    {
        using var deadline = new CancellationTokenSource(Timeout, time);
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.TryAddWithoutValidation("Accept", "text/plain;version=0.0.4");
        using var response = client.Send(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
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
