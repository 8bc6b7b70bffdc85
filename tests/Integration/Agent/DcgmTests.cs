using System.Net;
using System.Text;
using Bursar.Agent.Dcgm;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Sampling;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Bursar.Tests.Integration.Agent;

public sealed class DcgmTests
{
    private const string Device =
        "gpu=\"0\",UUID=\"GPU-a\",pci_bus_id=\"00000000:00:04.0\",device=\"nvidia0\",modelName=\"Tesla T4\",Hostname=\"node-1\"";

    private static readonly DateTimeOffset Start = new(2026, 11, 21, 8, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("namespace=\"ml\",pod=\"train-0\",container=\"main\"")]
    [InlineData("pod_namespace=\"ml\",pod_name=\"train-0\",container_name=\"main\"")]
    [InlineData(
        "exported_namespace=\"ml\",exported_pod=\"train-0\",exported_container=\"main\",namespace=\"gpu-operator\",pod=\"dcgm-exporter-x\",container=\"exporter\""
    )]
    public void Gpu_is_read_in_its_units_with_each_style_of_labels(string labels)
    {
        var page = Read(
            $$"""
            # TYPE DCGM_FI_DEV_GPU_UTIL gauge
            DCGM_FI_DEV_GPU_UTIL{{{Device}},{{labels}}} 87
            DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{Device}},{{labels}}} 0.5
            DCGM_FI_DEV_FB_USED{{{Device}},{{labels}}} 1024
            DCGM_FI_DEV_FB_FREE{{{Device}},{{labels}}} 14000
            DCGM_FI_DEV_FB_RESERVED{{{Device}},{{labels}}} 336
            DCGM_FI_DEV_GPU_TEMP{{{Device}},{{labels}}} 61
            DCGM_FI_DEV_POWER_USAGE{{{Device}},{{labels}}} 61.25
            DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{Device}},{{labels}}} 123456789
            go_goroutines 9
            """
        );

        page.Devices.Should()
            .ContainSingle()
            .Which.Should()
            .BeEquivalentTo(
                new GpuReading
                {
                    Uuid = "GPU-a",
                    Name = "Tesla T4",
                    Minor = 0,
                    UtilizationPercent = 87,
                    MemoryUsedBytes = 1024L * 1024 * 1024,
                    MemoryTotalBytes = 15360L * 1024 * 1024,
                    TemperatureCelsius = 61,
                    PowerMilliwatts = 61_250,
                    EnergyMillijoules = 123_456_789,
                }
            );
        page.Pods.Should().Equal(new PodDevice("ml", "train-0", "main", "nvidia.com/gpu", "GPU-a"));
    }

    [Fact]
    public void Line_whose_value_is_a_text_is_skipped_and_counted()
    {
        var page = Read(
            $$"""
            DCGM_FI_DEV_CUDA_VISIBLE_DEVICES_STR{gpu="0",UUID="GPU-a"} MIG-GPU-1/3
            DCGM_FI_DEV_GPU_UTIL{{{Device}}} 87
            DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b"} N/A
            DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b"} 1024
            DCGM_FI_DEV_FB_USED{gpu="2",UUID="GPU
            """
        );

        page.SkippedLines.Should().Be(3);
        page.Devices.Select(device => (device.Uuid, device.UtilizationPercent, device.MemoryUsedBytes))
            .Should()
            .Equal(("GPU-a", 87, null), ("GPU-b", null, 1024L * 1024 * 1024));
    }

    [Fact]
    public void Page_without_one_readable_line_is_refused()
    {
        var read = () => Read("<html>\n<body>not found</body>");
        read.Should().Throw<Bursar.Core.Text.PrometheusFormatException>();
    }

    [Fact]
    public void Figures_that_are_copied_to_each_pod_are_counted_once()
    {
        var page = Read(
            $$"""
            DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ns",pod="a",container="c"} 60
            DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ns",pod="b",container="c"} 60
            DCGM_FI_DEV_POWER_USAGE{{{Device}},namespace="ns",pod="a",container="c"} 70
            DCGM_FI_DEV_POWER_USAGE{{{Device}},namespace="ns",pod="b",container="c"} 70
            """
        );

        page.Devices.Should()
            .ContainSingle()
            .Which.Should()
            .Match<GpuReading>(d => d.UtilizationPercent == 60 && d.PowerMilliwatts == 70_000 && d.PodUse.Count == 0);
        page.Pods.Select(p => (p.Pod, p.DeviceId)).Should().Equal(("a", "GPU-a::0"), ("b", "GPU-a::1"));
        Bill(page).Should().Equal(("", UsageReasons.NoProcessSeen, 600L), ("a", null, 0), ("b", null, 0));
    }

    [Fact]
    public void Per_process_parts_divide_the_whole_and_are_not_added_to_it()
    {
        var page = Read(
            $$"""
            DCGM_FI_DEV_GPU_UTIL{{{Device}}} 80
            DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ns",pod="a",container="c",vgpu="0"} 60
            DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ns",pod="b",container="c",vgpu="1"} 20
            DCGM_FI_DEV_GPU_UTIL{{{Device}},namespace="ns",pod="idle",container="c",vgpu="2"} 0
            """
        );

        page.Devices[0].UtilizationPercent.Should().Be(80);
        Bill(page).Should().Equal(("a", null, 600L), ("b", null, 200), ("idle", null, 0));
    }

    [Fact]
    public void Mig_devices_have_activity_and_the_power_of_their_gpu_is_counted_once()
    {
        var page = Read(
            $$"""
            DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{Device}},GPU_I_PROFILE="2g.10gb",GPU_I_ID="3",namespace="ns",pod="a",container="c"} 0.5
            DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{Device}},GPU_I_PROFILE="1g.5gb",GPU_I_ID="7"} 0.1
            DCGM_FI_DEV_FB_USED{{{Device}},GPU_I_PROFILE="2g.10gb",GPU_I_ID="3",namespace="ns",pod="a",container="c"} 100
            DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{Device}},GPU_I_PROFILE="2g.10gb",GPU_I_ID="3",namespace="ns",pod="a",container="c"} 7000
            DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{Device}},GPU_I_PROFILE="1g.5gb",GPU_I_ID="7"} 7000
            """
        );

        page.Devices.Select(d => (d.Uuid, d.ParentUuid, d.UtilizationPercent, d.EnergyMillijoules, d.Slices))
            .Should()
            .Equal(("GPU-a", null, null, 7000, 7), ("GPU-a/gi3", "GPU-a", 50, null, 2), ("GPU-a/gi7", "GPU-a", 10, null, 1));
        page.Pods.Should().ContainSingle().Which.DeviceId.Should().Be("GPU-a/gi3");
        Bill(page).Should().Contain(("a", null, 500L));
    }

    /// <summary>The whole GPU's figure does not describe a slice, even if the exporter attaches it to one.</summary>
    [Fact]
    public void Slices_activity_is_its_engines_and_not_the_gpus_utilisation()
    {
        Read(
            $$"""
            DCGM_FI_DEV_GPU_UTIL{{{Device}},GPU_I_PROFILE="2g.10gb",GPU_I_ID="3"} 0
            DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{Device}},GPU_I_PROFILE="2g.10gb",GPU_I_ID="3"} 0.5
            """
        )
            .Devices[1]
            .UtilizationPercent.Should()
            .Be(50);
    }

    /// <summary>DCGM writes "no figure" as a number, one for each kind: what should be a share of a hundred is none, and no load.</summary>
    [Fact]
    public void Dcgms_blank_values_are_absent()
    {
        var device = Read(
            $$"""
            DCGM_FI_DEV_GPU_UTIL{{{Device}}} 2147483632
            DCGM_FI_DEV_FB_USED{{{Device}}} 2147483634
            DCGM_FI_DEV_FB_FREE{{{Device}}} 2147483632
            DCGM_FI_DEV_GPU_TEMP{{{Device}}} 2147483635
            DCGM_FI_DEV_POWER_USAGE{{{Device}}} 140737488355328
            DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{Device}}} 9223372036854775792
            """
        )
            .Devices.Single();

        device
            .Should()
            .BeEquivalentTo(
                new GpuReading
                {
                    Uuid = "GPU-a",
                    Name = device.Name,
                    Minor = device.Minor,
                }
            );
    }

    [Fact]
    public async Task Exporter_replaces_a_missing_nvml_and_the_state_names_it()
    {
        string body = $"DCGM_FI_DEV_GPU_UTIL{{{Device},namespace=\"ml\",pod=\"train-0\",container=\"main\"}} 42\n";
        await using var server = await ServeAsync(() => body);
        var time = new VirtualTimeProvider(AgentClock.Start);
        using var exporter = new DcgmExporter(new Uri(server.Address + "/metrics"), time);
        using var nvml = new NvmlGpuReader("/nowhere/libnvidia-ml.so.1", time);
        using var both = new SecondSource(nvml, new Kubelet(), exporter);

        var snapshot = both.Read();
        var pods = await both.ListAsync(default);
        body = "no page {";
        var kept = both.Read();
        time.Advance(DcgmExporter.Every);
        var broken = both.Read();

        snapshot.State.Should().Be(NvmlState.Ready);
        snapshot.StateText.Should().StartWith($"dcgm-exporter at {server.Address}/metrics, 1 GPUs (no NVML library");
        snapshot.Devices[0].UtilizationPercent.Should().Be(42);
        pods.Should().ContainSingle().Which.Pod.Should().Be("train-0");
        kept.Devices[0].UtilizationPercent.Should().Be(42, "it is asked every five seconds");
        broken.State.Should().Be(NvmlState.NoDriver);
        broken.StateText.Should().Contain("cannot be read");
        (await both.ListAsync(default)).Should().BeEmpty("then the kubelet is asked");
    }

    [SkippableFact]
    public async Task Exporter_adds_the_activity_of_mig_devices_to_nvmls_readings()
    {
        using var stub = StubNvml
            .Build()
            .Set("count", 1)
            .Set("uuid.0", "GPU-a")
            .Set("mig.0", 1)
            .Set("uuid.0.1", "MIG-x")
            .Set("gi.0.1", 3)
            .Set("uuid.0.2", "MIG-y")
            .Set("gi.0.2", 7);
        await using var server = await ServeAsync(() =>
            $"DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{Device},GPU_I_PROFILE=\"2g.10gb\",GPU_I_ID=\"3\"}} 0.25\n"
        );
        var time = new VirtualTimeProvider(AgentClock.Start);
        using var exporter = new DcgmExporter(new Uri(server.Address + "/metrics"), time);
        using var nvml = new NvmlGpuReader(stub.Library, time);
        using var both = new SecondSource(nvml, new Kubelet(new PodDevice("ns", "p", "c", "nvidia.com/mig-2g.10gb", "MIG-x")), exporter);

        var snapshot = both.Read();

        snapshot.StateText.Should().EndWith("activity of MIG devices by the dcgm-exporter");
        snapshot.Devices.Select(d => (d.Uuid, d.UtilizationPercent)).Should().Equal(("GPU-a", null), ("MIG-x", 25), ("MIG-y", null));
        (await both.ListAsync(default)).Should().ContainSingle().Which.Pod.Should().Be("p", "the kubelet goes with NVML");
    }

    private static DcgmPage Read(string text) => DcgmPage.Read(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n") + "\n"));

    /// <summary>One second of this page, by pod.</summary>
    private static IEnumerable<(string Pod, string? Reason, long BusyMs)> Bill(DcgmPage page)
    {
        var snapshot = new GpuSnapshot(NvmlState.Ready, "", page.Devices);
        var knowledge = new PodKnowledge(
            (_, name, _) => "uid-" + name,
            _ => Bursar.Agent.Pods.ProcessOwner.Unknown,
            _ => null,
            (_, _) => false
        );
        var holdings = DeviceHoldings.Create(page.Pods, snapshot, knowledge);
        var accumulator = new UsageAccumulator();
        accumulator.Record(Start, holdings, snapshot, knowledge.OwnerOf);
        accumulator.Record(Start.AddSeconds(1), holdings, snapshot, knowledge.OwnerOf);
        return accumulator.CloseAll().Select(i => (i.Pod, i.Reason, i.BusyMs)).OrderBy(i => i.Pod, StringComparer.Ordinal);
    }

    private static async Task<Server> ServeAsync(Func<string> body)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        application.Run(context => context.Response.WriteAsync(body()));
        await application.StartAsync();
        return new Server(application);
    }

    private sealed class Kubelet(params PodDevice[] devices) : IPodResources
    {
        public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<PodDevice>>(devices);
    }

    private sealed class Server(WebApplication application) : IAsyncDisposable
    {
        public string Address =>
            application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();

        public ValueTask DisposeAsync() => application.DisposeAsync();
    }
}
