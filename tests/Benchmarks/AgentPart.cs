using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Bursar.Agent.Certificates;
using Bursar.Agent.Client;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// The shipped agent on a node of eight GPUs. The driver is the tests' stub of NVML, the kubelet a socket of this process, and the pods are
/// pages of this process, which also measures the duration of a round of scrapes. The agent is polled as the operator polls it. The GPUs'
/// activity changes every second, so that each second is sampled: an agent that sees no change samples less often.
/// </summary>
internal static class AgentPart
{
    public const int Gpus = 8;
    public const int Pods = Gpus;

    /// <summary>GPUs that are cut into slices.</summary>
    public const int ManyPods = 56;

    /// <summary>GPUs shared by eight pods with a process each, whose utilization the driver updates every second.</summary>
    public const int Processes = 64;
    private const int ScrapeSeconds = 5;

    /// <summary>Measured from here on: an agent runs for weeks, and in its first minute the runtime compiles what is hot.</summary>
    private const int WarmUpSeconds = 60;

    public sealed record Figures(
        long Anonymous,
        long Resident,
        double CpuShare,
        double Round,
        double ManyCpuShare,
        double ManyRound,
        double ProcessesCpuShare,
        long ProcessesAnonymous,
        long ProcessesResident
    );

    public static string? WhyNot() =>
        !PublishedProcess.IsPresent("bursar-agent") ? PublishedProcess.Absent
        : !File.Exists(StubSource) ? $"there is no {StubSource} (the stub of NVML)"
        : !File.Exists("/usr/bin/gcc") ? "there is no gcc, which makes the stub of NVML"
        : null;

    private static string StubSource => Path.GetFullPath("tests/Integration/Agent/native/nvml_stub.c");

    public static async Task<Figures> MeasureAsync(int seconds, CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("bursar-bench-").FullName;
        try
        {
            string At(string name) => Path.Combine(folder, name);
            await StubAsync(At("libnvidia-ml.so.1"), At("script"), ct);
            Cgroups(At("proc"));
            var time = TimeProvider.System;
            var root = BursarCa.Create(time.GetUtcNow());
            var pair = BursarCa.CreateAgent(root, time.GetUtcNow());
            Directory.CreateDirectory(At("tls"));
            foreach (
                var (name, text) in new[] { ("tls.crt", pair.Certificate), ("tls.key", pair.PrivateKey), ("ca.crt", root.Certificate) }
            )
                await File.WriteAllTextAsync(At(Path.Combine("tls", name)), text, ct);

            var list = new KubeletList();
            await using var kubelet = await list.StartAsync(At("kubelet.sock"), ct);
            var pages = new PodPages();
            await using var pods = await pages.StartAsync(ct);
            await using var agent = PublishedProcess.Start(
                "bursar-agent",
                new Dictionary<string, string>(),
                "--node-name",
                "gpu-1",
                "--operator-address",
                "127.0.0.1:0",
                "--pod-address",
                "127.0.0.1:0",
                "--metrics-address",
                "127.0.0.1:0",
                "--journal-dir",
                At("journal"),
                "--cert-dir",
                At("tls"),
                "--nvml-library",
                At("libnvidia-ml.so.1"),
                "--pod-resources-socket",
                At("kubelet.sock"),
                "--proc-root",
                At("proc"),
                "--log-root",
                At("logs"),
                "--scrape-interval-seconds",
                ScrapeSeconds.ToString()
            );
            using var addresses = JsonDocument.Parse(await agent.HearAsync(ct));
            using var client = new AgentClient(
                new()
                {
                    NodeName = "gpu-1",
                    Address = IPEndPoint.Parse(addresses.RootElement.GetProperty("operator").GetString()!),
                    RootsPem = root.Certificate,
                    Certificate = BursarCa.CreateOperator(root, time.GetUtcNow()),
                    Time = time,
                }
            );
            await client.PutTargetsAsync(Targets(Pods, pages.Port), ct);
            var metrics = new Uri($"http://{addresses.RootElement.GetProperty("metrics").GetString()}/metrics");

            // Asked on and on as the operator asks, in long polls; each answer is acknowledged by the next question.
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
            var asking = AskAsync(client, stop.Token);
            await Task.Delay(TimeSpan.FromSeconds(2 * ScrapeSeconds), ct);
            // A usage interval is a minute long; what it measures is seen at once.
            var devices = (await client.GetSignalsAsync(ct)).Devices;
            if (devices.Count(device => device.PodUids.Count == 1) != Gpus)
                throw new InvalidOperationException($"of {Gpus} GPUs the agent sees {devices.Count}, and not a pod on each");
            async Task<(double Share, double Round)> LoadAsync(int pods)
            {
                pages.Expect(pods);
                var (cpu, clock, samples) = (agent.Cpu, Stopwatch.StartNew(), await SamplesAsync(metrics, ct));
                await Task.Delay(TimeSpan.FromSeconds(seconds), ct);
                var sampled = await SamplesAsync(metrics, ct) - samples;
                if (sampled < seconds * 0.9)
                    throw new InvalidOperationException($"the agent took {sampled} samples in {seconds} seconds");
                return ((agent.Cpu - cpu) / clock.Elapsed.TotalSeconds, pages.Round());
            }
            await Task.Delay(TimeSpan.FromSeconds(WarmUpSeconds), ct);
            var (share, round) = await LoadAsync(Pods);
            var (anonymous, resident) = (agent.Memory("RssAnon"), agent.Memory("VmRSS"));
            await client.PutTargetsAsync(Targets(ManyPods, pages.Port), ct);
            await Task.Delay(TimeSpan.FromSeconds(2 * ScrapeSeconds), ct);
            var (manyShare, manyRound) = await LoadAsync(ManyPods);

            await client.PutTargetsAsync(Targets(Processes, pages.Port, scraped: Pods), ct);
            list.Share();
            await File.WriteAllLinesAsync(At("script"), Script(Processes / Gpus), ct);
            await Task.Delay(TimeSpan.FromSeconds(2 * ScrapeSeconds), ct);
            devices = (await client.GetSignalsAsync(ct)).Devices;
            if (devices.Count(device => device.PodUids.Count == Processes / Gpus) != Gpus)
                throw new InvalidOperationException("the agent does not see eight pods on each GPU");
            var (processesShare, _) = await LoadAsync(Pods);
            var (processesAnonymous, processesResident) = (agent.Memory("RssAnon"), agent.Memory("VmRSS"));
            await stop.CancelAsync();
            await asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return new(anonymous, resident, share, round, manyShare, manyRound, processesShare, processesAnonymous, processesResident);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<double> SamplesAsync(Uri metrics, CancellationToken ct)
    {
        using var client = new HttpClient();
        return PrometheusText
            .Parse(await client.GetByteArrayAsync(metrics, ct))
            .Single(sample => sample.Name == "bursar_agent_samples_total")
            .Value;
    }

    private static string Uid(int pod) => $"00000000-0000-0000-0000-{pod:D12}";

    private static TargetList Targets(int pods, int port, int? scraped = null) =>
        new()
        {
            Revision = $"{pods}/{scraped}",
            Pods =
            [
                .. Enumerable
                    .Range(0, pods)
                    .Select(i => new TargetPod
                    {
                        Uid = Uid(i),
                        Namespace = "ml",
                        Name = $"pod-{i}",
                        Ips = ["127.0.0.1"],
                        Scrape =
                            i < (scraped ?? pods)
                                ?
                                [
                                    new()
                                    {
                                        Port = port,
                                        Path = $"/metrics/{i}",
                                        Kind = i % 2 == 0 ? ScrapeTarget.Serving : ScrapeTarget.Progress,
                                    },
                                ]
                                : [],
                    }),
            ],
        };

    private static async Task AskAsync(AgentClient client, CancellationToken ct)
    {
        UsageReport? last = null;
        while (true)
            last = await client.GetUsageAsync(last is null ? null : new(last.Epoch, last.Next - 1), TimeSpan.FromSeconds(5), ct);
    }

    private static async Task StubAsync(string library, string script, CancellationToken ct)
    {
        await File.WriteAllLinesAsync(script, Script(processes: 1), ct);
        using var gcc = Process.Start(
            "gcc",
            ["-shared", "-fPIC", "-O2", "-DKEPT", $"-DSTUB_SCRIPT=\"{script}\"", "-o", library, StubSource]
        );
        await gcc.WaitForExitAsync(ct);
        if (gcc.ExitCode != 0)
            throw new InvalidOperationException("the stub of NVML does not compile, see above");
    }

    /// <summary>The driver's report: this many processes on each GPU, one after the other.</summary>
    private static List<string> Script(int processes)
    {
        var lines = new List<string> { $"count={Gpus}" };
        for (var i = 0; i < Gpus; i++)
        {
            var pids = Enumerable.Range(0, processes).Select(k => Pid(i, k)).ToArray();
            lines.AddRange([
                $"uuid.{i}=GPU-{i}",
                $"util.{i}=wave",
                $"stamp.{i}=now",
                $"energy.{i}=now",
                $"total.{i}=85899345920",
                $"used.{i}=42949672960",
                $"pids.{i}={string.Join(',', pids)}",
                $"sm.{i}={string.Join(',', pids.Select(pid => $"{pid}:{90 / processes}"))}",
            ]);
        }
        return lines;
    }

    private static int Pid(int gpu, int k) => 1000 + gpu * 100 + k;

    /// <summary>The host's processes: pod gpu × 8 + k has process k of the GPU.</summary>
    private static void Cgroups(string proc)
    {
        for (var i = 0; i < Gpus; i++)
        for (var k = 0; k < Processes / Gpus; k++)
        {
            var folder = Directory.CreateDirectory(Path.Combine(proc, Pid(i, k).ToString())).FullName;
            var uid = Uid(PodOn(i, k)).Replace('-', '_');
            File.WriteAllText(
                Path.Combine(folder, "cgroup"),
                $"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-0123456789abcdef.scope\n"
            );
        }
    }

    /// <summary>The first pods have a GPU each; the others share with them.</summary>
    private static int PodOn(int gpu, int k) => k * Gpus + gpu;

    /// <summary>A PodResources server that reports which pod has which GPU: at first one each, then eight.</summary>
    private sealed class KubeletList
    {
        private volatile byte[] _framed = Framed(holders: 1);

        public void Share() => _framed = Framed(Processes / Gpus);

        public async Task<WebApplication> StartAsync(string socket, CancellationToken ct)
        {
            var builder = WebApplication.CreateEmptyBuilder(new());
            builder
                .WebHost.UseKestrelCore()
                .ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket, listener => listener.Protocols = HttpProtocols.Http2));
            var application = builder.Build();
            application.Run(async context =>
            {
                context.Response.ContentType = "application/grpc";
                context.Response.DeclareTrailer("grpc-status");
                await context.Response.Body.WriteAsync(_framed, context.RequestAborted);
                context.Response.AppendTrailer("grpc-status", "0");
            });
            await application.StartAsync(ct);
            return application;
        }

        private static byte[] Framed(int holders)
        {
            var list = new List<byte>();
            for (var gpu = 0; gpu < Gpus; gpu++)
            for (var k = 0; k < holders; k++)
            {
                var device = holders == 1 ? $"GPU-{gpu}" : $"GPU-{gpu}::{k}";
                list.AddRange(
                    Field(
                        1,
                        [
                            .. Field(1, Encoding.ASCII.GetBytes($"pod-{PodOn(gpu, k)}")),
                            .. Field(2, "ml"u8),
                            .. Field(
                                3,
                                [
                                    .. Field(1, "main"u8),
                                    .. Field(2, [.. Field(1, "nvidia.com/gpu"u8), .. Field(2, Encoding.ASCII.GetBytes(device))]),
                                ]
                            ),
                        ]
                    )
                );
            }
            return [0, (byte)(list.Count >> 24), (byte)(list.Count >> 16), (byte)(list.Count >> 8), (byte)list.Count, .. list];
        }
    }

    /// <summary>A field of a protocol buffer whose value is bytes, a text or a message.</summary>
    private static byte[] Field(int number, ReadOnlySpan<byte> value)
    {
        List<byte> bytes = [(byte)(number << 3 | 2)];
        for (var length = value.Length; ; length >>= 7)
        {
            bytes.Add((byte)(length < 128 ? length : length & 127 | 128));
            if (length < 128)
                break;
        }
        bytes.AddRange(value);
        return [.. bytes];
    }

    /// <summary>The pods' pages, as long as those of a model server, and when they were asked for.</summary>
    private sealed class PodPages
    {
        private readonly Lock _lock = new();
        private readonly List<double> _rounds = [];
        private byte[] _serving = [];
        private byte[] _training = [];
        private long _first;
        private long _last;
        private int _asked;
        private long _counted;
        private int _pods;

        public int Port { get; } = FreePort.Next();

        public async Task<WebApplication> StartAsync(CancellationToken ct)
        {
            var others = string.Concat(
                Enumerable.Range(0, 400).Select(i => $"python_gc_objects_collected_total{{generation=\"{i}\"}} {i * 37}.0\n")
            );
            _serving = Encoding.ASCII.GetBytes(
                others
                    + """
                    vllm:num_requests_running{model_name="m"} 3.0
                    vllm:num_requests_waiting{model_name="m"} 0.0
                    vllm:prompt_tokens_total{model_name="m"} 123456.0
                    vllm:generation_tokens_total{model_name="m"} 65432.0

                    """.Replace("    ", "", StringComparison.Ordinal)
            );
            _training = Encoding.ASCII.GetBytes(others + "bursar_training_step 1200\nbursar_training_steps 50000\n");
            var builder = WebApplication.CreateEmptyBuilder(new());
            builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, Port));
            var application = builder.Build();
            application.Run(async context =>
            {
                Seen();
                context.Response.ContentType = "text/plain; version=0.0.4";
                await context.Response.Body.WriteAsync(
                    int.Parse(context.Request.Path.Value!["/metrics/".Length..]) % 2 == 0 ? _serving : _training,
                    context.RequestAborted
                );
                Seen(answered: true);
            });
            await application.StartAsync(ct);
            return application;
        }

        /// <summary>Sets the number of pages of the following rounds.</summary>
        public void Expect(int pods)
        {
            lock (_lock)
            {
                _rounds.Clear();
                _pods = pods;
            }
        }

        /// <summary>The middle of the rounds' times, from the first question to the last answer.</summary>
        public double Round()
        {
            lock (_lock)
            {
                if (_rounds.Count == 0)
                    throw new InvalidOperationException("no round of scrapes was seen");
                var sorted = _rounds.Order().ToArray();
                return sorted[sorted.Length / 2];
            }
        }

        private void Seen(bool answered = false)
        {
            lock (_lock)
            {
                var now = Stopwatch.GetTimestamp();
                if (!answered)
                {
                    // A pause longer than any round lies between two rounds.
                    if (_asked > 0 && Stopwatch.GetElapsedTime(_last, now).TotalSeconds > ScrapeSeconds / 2.0)
                        _asked = 0;
                    if (_asked++ == 0)
                        _first = now;
                }
                else if (_asked == _pods && Stopwatch.GetElapsedTime(_first, now) is var took)
                {
                    // Answers may overtake each other; the round ends with the last of them.
                    if (_rounds.Count > 0 && _first == _counted)
                        _rounds[^1] = took.TotalSeconds;
                    else
                        _rounds.Add(took.TotalSeconds);
                    _counted = _first;
                }
                _last = now;
            }
        }
    }
}
