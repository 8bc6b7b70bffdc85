using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// NVML, and the dcgm-exporter for what NVML does not tell: everything where there is no NVML, and the activity of MIG devices where
/// there is. The snapshot's word says which served.
/// </summary>
public sealed class SecondSource(IGpuReader nvml, IPodResources kubelet, DcgmExporter exporter) : IGpuReader, IPodResources
{
    private volatile bool _second;

    public GpuSnapshot Read()
    {
        var first = nvml.Read();
        _second = first.State != NvmlState.Ready;
        if (_second)
        {
            var other = exporter.Read();
            return other with { StateText = $"{other.StateText} ({first.StateText})" };
        }
        if (!first.Devices.Any(d => d.ParentUuid is not null) || exporter.Read() is not { State: NvmlState.Ready } seen)
            return first;
        return first with
        {
            SkippedLines = seen.SkippedLines,
            StateText = $"{first.StateText}; activity of MIG devices by the dcgm-exporter",
            Devices =
            [
                .. first.Devices.Select(d =>
                    d.ParentUuid is null
                        ? d
                        : d with
                        {
                            UtilizationPercent = seen
                                .Devices.FirstOrDefault(s => s.ParentUuid == d.ParentUuid && s.GpuInstance == d.GpuInstance)
                                ?.UtilizationPercent,
                        }
                ),
            ],
        };
    }

    /// <summary>The exporter's page names its own devices, so its own pods go with it; where it has none, the kubelet's.</summary>
    public async Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken)
    {
        if (_second && exporter.Read().State == NvmlState.Ready && await exporter.ListAsync(cancellationToken) is { Count: > 0 } pods)
            return pods;
        return await kubelet.ListAsync(cancellationToken);
    }

    public void Dispose()
    {
        // Both readers are their owners' to dispose.
    }
}
