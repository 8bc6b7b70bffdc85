using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Probe;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Agent;

public sealed class NodeProbeTests : IDisposable
{
    private const string Uid = "5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task Every_device_process_and_call_is_printed_and_an_hours_cost()
    {
        using var stub = StubNvml
            .Build()
            .Set("count", 2)
            .Set("uuid.0", "GPU-a")
            .Set("uuid.1", "GPU-b")
            .Set("util.0", 80)
            .Set("energy.0", 123_456)
            .Set("total.0", 17_179_869_184)
            .Set("used.0", 1_073_741_824)
            .Set("pids.0", "41,42")
            .Set("sm.0", "41:78")
            .Set("stamp.0", 1_700_000_000_000_000)
            .Set("mig.1", 1)
            .Set("uuid.1.2", "MIG-x")
            .Set("slices.1.2", 3)
            .Set("pids.1.2", "43");
        Directory.CreateDirectory(_folder.File($"logs/ml_train_{Uid}"));
        Process(41, $"0::/kubepods/pod{Uid}/1");
        Process(42, "0::/system.slice/x.service");
        var kubelet = new Kubelet(new PodDevice("ml", "train", "main", "nvidia.com/gpu", "GPU-a"));
        var text = new StringWriter();

        bool ready = await Probe(stub.Library, kubelet).WriteAsync(text, new ProbeOptions { Samples = 3, Pause = TimeSpan.Zero }, default);

        ready.Should().BeTrue();
        string[] lines = text.ToString().Split('\n');
        lines.Should().Contain("NVML: driver 550.54, 2 GPUs, 1 MIG devices");
        lines.Should().Contain("kubelet: 1 GPU device ids are with pods");
        lines.Should().Contain("GPU-a  Stub V100  minor 0  whole GPU");
        lines.Should().Contain("  utilisation 80 %  memory 1024 of 16384 MiB  temperature 61 °C  power 250.0 W  energy 123.456 J");
        lines.Should().Contain($"  held by ml/train (main), uid {Uid}, share 1/1");
        lines.Should().ContainSingle(l => l.StartsWith("  process 41: ")).Which.Should().EndWith($"- MiB, pod ml/train ({Uid})");
        lines.Should().Contain("  process 42: 0.0 % of the SMs, 0 MiB, the node's own");
        lines.Should().Contain("GPU-b  Stub V100  minor 1  cut into MIG devices, 7 slices");
        lines.Should().Contain("MIG-x  Stub V100  minor 1  MIG device of GPU-b, GPU instance 0, compute instance 0, 3 slices");
        lines.Should().Contain("  process 43: use unknown, - MiB, of an unknown pod");
        lines
            .Should()
            .ContainSingle(l => l.StartsWith("nvmlDeviceGetUtilizationRates "))
            .Which.Should()
            .MatchRegex(@"^\S+ +4 +\d+\.\d +\d+\.\d$", "one call for the GPU that is not cut, at the start and for each sample");
        lines
            .Should()
            .ContainSingle(l => l.StartsWith("nvmlDeviceGetProcessUtilization "))
            .And.ContainSingle(l => l.StartsWith("nvmlInit_v2 "));
        lines
            .Should()
            .ContainSingle(l => l.StartsWith("an hour, sampled each second: 3600 samples, "))
            .Which.Should()
            .MatchRegex(@"\d+\.\d\d s, \d+\.\d\d s of CPU, \d+\.\d{3} % of a core$");
    }

    [SkippableFact]
    public async Task Busy_and_idle_processes_are_distinguished()
    {
        using var stub = StubNvml
            .Build()
            .Set("count", 1)
            .Set("uuid.0", "GPU-a")
            .Set("pids.0", "41,42")
            .Set("sm.0", "41:90")
            .Set("stamp.0", 0);
        // Use comes between the samples: the stub's stamp moves when the second begins.
        var clock = new Ticking(() => stub.Set("stamp.0", 1_700_000_000_000_000));
        var text = new StringWriter();

        await Probe(stub.Library, new Kubelet(), clock)
            .WriteAsync(text, new ProbeOptions { Samples = 1, Pause = TimeSpan.FromMilliseconds(1) }, default);

        text.ToString().Should().Contain("  process 41: 90.0 % of the SMs").And.Contain("  process 42: 0.0 % of the SMs");
    }

    [Fact]
    public async Task Probe_without_a_driver_reports_it()
    {
        var text = new StringWriter();

        (await Probe("/nowhere/libnvidia-ml.so.1", new Kubelet()).WriteAsync(text, new ProbeOptions(), default)).Should().BeFalse();

        text.ToString().Should().StartWith("NVML: no NVML library: tried /nowhere/libnvidia-ml.so.1");
    }

    private NodeProbe Probe(string library, IPodResources kubelet, TimeProvider? time = null) =>
        new(
            library,
            kubelet,
            new PodUidResolver(new TargetStore(), _folder.File("logs"), _folder.File("proc"), TimeProvider.System),
            time ?? TimeProvider.System
        );

    private void Process(int pid, string cgroup)
    {
        Directory.CreateDirectory(_folder.File($"proc/{pid}"));
        File.WriteAllText(_folder.File($"proc/{pid}/cgroup"), cgroup + "\n");
    }

    private sealed class Kubelet(params PodDevice[] devices) : IPodResources
    {
        public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<PodDevice>>(devices);
    }

    /// <summary>The system's clock, and something happens when a pause begins.</summary>
    private sealed class Ticking(Action pause) : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            pause();
            return System.CreateTimer(callback, state, dueTime, period);
        }
    }
}
