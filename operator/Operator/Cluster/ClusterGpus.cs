using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The GPUs of the cluster: which devices are GPUs, and which pods hold or request them. Extended resources are found by the table,
/// ResourceClaims by their allocation or, before that, by their requests. A server without <c>resource.k8s.io</c> has no claims.
/// Thread-safe.
/// </summary>
internal sealed partial class ClusterGpus
{
    private const string NodeIndex = "node";

    /// <summary>Upper limit for the devices of one claim, more than any node has.</summary>
    private const int MostDevices = 4096;

    private readonly GpuResources _configured;
    private readonly ConditionalWeakTable<V1ResourceSlice, DraDevice[]> _published = [];
    private readonly ConditionalWeakTable<V1Node, NodeReading> _nodes = [];
    private readonly ConditionalWeakTable<IReadOnlyList<V1Container>, ContainersReading> _containers = [];
    private volatile GpuResources _table;

    public ClusterGpus(KubeClient client, GpuResources? table)
    {
        _table = _configured = table ?? GpuResources.BuiltIn;
        InformerOptions options = new() { Optional = true, OlderVersions = ["v1beta2", "v1beta1"] };
        Claims = new(client, options);
        Templates = new(client, options);
        Slices = new(client, options);
        Classes = new(client, options);
        Slices.AddIndex(NodeIndex, NodesOf);
        Claims.AddHandler(new() { Added = Notify, Updated = (_, claim) => Notify(claim) });
        Slices.AddHandler(
            new()
            {
                Added = Notify,
                Updated = (_, slice) => Notify(slice),
                Deleted = Notify,
            }
        );
        Classes.AddHandler(
            new()
            {
                Added = _ => ReadClasses(),
                Updated = (_, _) => ReadClasses(),
                Deleted = _ => ReadClasses(),
            }
        );
    }

    /// <summary>Raised with a node's name when its devices changed.</summary>
    public event Action<string>? DevicesChanged;

    /// <summary>Raised when a claim was added or changed, because the pods that use it may hold other devices than assumed.</summary>
    public event Action<V1ResourceClaim>? ClaimChanged;

    public Informer<V1ResourceClaim> Claims { get; }

    public Informer<V1ResourceClaimTemplate> Templates { get; }

    public Informer<V1ResourceSlice> Slices { get; }

    public Informer<V1DeviceClass> Classes { get; }

    /// <summary>The built-in and configured names, and the extended resources that DeviceClasses of GPUs define.</summary>
    public GpuResources Table => _table;

    public IReadOnlyList<IInformer> Caches => [Claims, Templates, Slices, Classes];

    /// <summary>Returns a node's devices. Cached until the node or its slices change.</summary>
    public NodeDevices DevicesOf(V1Node node)
    {
        var slices = Slices.Store.ByIndex(NodeIndex, node.Metadata.Name).ToArray();
        if (_nodes.TryGetValue(node, out var known) && ReferenceEquals(known.Table, _table) && known.Slices.AsSpan().SequenceEqual(slices))
            return known.Devices;
        var read = new NodeReading(
            _table,
            slices,
            NodeDevices.From(
                node.Metadata.Labels,
                node.Status.Capacity.Count > 0 ? node.Status.Capacity : node.Status.Allocatable,
                node.Metadata.Annotations.TryGetValue(HamiRegister.Annotation, out var register) ? HamiRegister.Read(register) : null,
                _table,
                [.. PublishedIn(slices)]
            )
        );
        _nodes.AddOrUpdate(node, read);
        return read.Devices;
    }

    /// <summary>Returns the GPUs that a pod holds or, while its claims are not allocated, requests.</summary>
    public GpuRequest OfPod(V1Pod pod)
    {
        if (pod.Spec.ResourceClaims.Count == 0 && pod.Status.ExtendedResourceClaim is null)
            return OfContainers(pod.Spec) ?? GpuRequest.OfPod(pod, _table);
        var ns = pod.Metadata.Namespace ?? "";
        var found = new Found();
        // Extended resources that a claim provides were allocated with the claim.
        HashSet<string>? served = null;
        if (
            pod.Status.ExtendedResourceClaim is { } extended
            && Claims.Store.Get(ns, extended.ClaimName) is { Status.IsAllocated: true } special
        )
        {
            served = [.. extended.Resources];
            Allocated(special, found);
        }
        var request = GpuRequest.OfPod(served is null ? pod : pod with { Spec = GpuRequest.Without(pod.Spec, served) }, _table);
        foreach (var reference in pod.Spec.ResourceClaims)
        {
            var name = reference.ClaimName ?? pod.Status.ClaimNameOf(reference.Name);
            var claim = name is null ? null : Claims.Store.Get(ns, name);
            var one = new Found();
            if (claim is { Status.IsAllocated: true })
                Allocated(claim, one);
            else if ((claim?.Spec ?? TemplateOf(ns, reference)) is { } spec)
            {
                Requested(spec, one);
                one.IsPending |= one.Units.Count > 0;
            }
            // Other pods may use the same claim if the pod refers to it by name.
            if (reference.ClaimName is null || claim is null || one.Units.Exists(units => units.Part is not { IsKnown: true }))
                found.AddAll(one);
            else
            {
                if (one.Units.Count > 0)
                    found.Shared.Add(
                        new(
                            claim.Metadata.Uid,
                            one.Units.Aggregate(new DeviceShare(0, 1), (sum, units) =>
                                DeviceShare.Sum(sum, units.Part!.Value * units.Count)
                            )
                        )
                    );
                found.IsPending |= one.IsPending;
            }
        }
        return found.With(request);
    }

    /// <summary>
    /// Returns the GPUs that a pod's containers request; null if none. Pods of one template share their lists of containers, so one is read
    /// for all of them.
    /// </summary>
    private GpuRequest? OfContainers(V1PodSpec spec)
    {
        var table = _table;
        if (
            !_containers.TryGetValue(spec.Containers, out var known)
            || !ReferenceEquals(known.InitContainers, spec.InitContainers)
            || !ReferenceEquals(known.Table, table)
        )
            _containers.AddOrUpdate(spec.Containers, known = new(table, spec.InitContainers, GpuRequest.From(spec, table)));
        return known.Request.IsAny ? known.Request : null;
    }

    /// <summary>
    /// Completes a workload with the GPUs that its pods will hold, by the cluster's table and claims, and with the number of pods that run
    /// at the same time.
    /// </summary>
    public WorkloadObject Complete(WorkloadObject work)
    {
        if (!ReferenceEquals(_table, GpuResources.BuiltIn) || work.PodSets.Any(set => set.Template.Spec.ResourceClaims.Count > 0))
            work = work with
            {
                PodSets = [.. work.PodSets.Select(set => set with { Request = OfTemplate(set.Template, work.Namespace, set.Count) })],
            };
        var atOnce = work.Kind.AtOnce(work);
        return ReferenceEquals(atOnce, work.PodSets) ? work : work with { PodSets = atOnce };
    }

    /// <summary>Returns the GPUs that each pod of a template will hold.</summary>
    /// <param name="template">The template.</param>
    /// <param name="ns">The namespace of its claims.</param>
    /// <param name="pods">The number of pods that share the claims which the template refers to by name.</param>
    public GpuRequest OfTemplate(V1PodTemplateSpec template, string ns, int pods = 1)
    {
        var request = GpuRequest.OfTemplate(template, _table);
        if (template.Spec.ResourceClaims.Count == 0)
            return request;
        var found = new Found();
        foreach (var reference in template.Spec.ResourceClaims)
        {
            if (reference.ClaimName is null)
            {
                if (TemplateOf(ns, reference) is { } spec)
                    Requested(spec, found);
                continue;
            }
            if (Claims.Store.Get(ns, reference.ClaimName) is not { } claim)
                continue;
            var one = new Found();
            if (claim.Status.IsAllocated)
                Allocated(claim, one);
            else
                Requested(claim.Spec, one);
            // All pods of the set share this claim.
            if (one.Units.Count == 0)
                continue;
            var all = one.Units.Aggregate(new DeviceShare(0, 1), (sum, units) =>
                units.Part is { } part ? DeviceShare.Sum(sum, part * units.Count) : DeviceShare.Unknown
            );
            found.Units.Add(new(one.Units[0].Resource, 1) { Part = all / Math.Max(1, pods) });
        }
        return found.With(request);
    }

    /// <summary>Adds the devices that were allocated for a claim, except those with admin access, which only monitor devices.</summary>
    private void Allocated(V1ResourceClaim claim, Found found)
    {
        foreach (var device in claim.Status.Devices)
        {
            if (device.AdminAccess)
                continue;
            if (!_table.IsDriver(device.Driver))
            {
                // The requested DeviceClass may be known although the driver is not. A request with alternatives is named after the chosen
                // one.
                if (
                    claim.Spec.Requests.FirstOrDefault(request =>
                        request.Name == device.Request || device.Request.StartsWith(request.Name + "/", StringComparison.Ordinal)
                    )
                        is { } request
                    && _table.IsDeviceClass(request.DeviceClassName, SelectorsOf(request))
                    && !_table.IsExcluded(device.Driver)
                )
                    found.Add(new(device.Driver, 1) { Part = DeviceShare.Whole });
                else if (_table.LooksLikeGpus(device.Driver))
                    found.Add(new(device.Driver, 1) { Part = DeviceShare.Unknown });
                continue;
            }
            var published = Slices
                .Store.List()
                .Where(slice => slice.Spec.Driver == device.Driver && slice.Spec.Pool.Name == device.Pool)
                .OrderByDescending(slice => slice.Spec.Pool.Generation)
                .SelectMany(DevicesIn)
                .FirstOrDefault(one => one.Name == device.Device);
            // If the device is not published, guess from its name until it is.
            var part = published is null
                ? device.Device.Contains("-mig-", StringComparison.Ordinal)
                    ? DeviceShare.Unknown
                    : DeviceShare.Whole
                : device.ConsumedMemory is { } text && KubernetesQuantity.TryParse(text, out var memory)
                    ? published.ShareOfMemory(memory.ToInt64())
                    : published.Share;
            found.IsPending |= published is null;
            found.Add(new(device.Driver, 1) { Part = part });
        }
    }

    /// <summary>
    /// Adds the GPUs that a claim requests. From selectors only the driver and the MIG profile are read, and a request for a GPU counts as
    /// a whole one.
    /// </summary>
    private void Requested(V1ResourceClaimSpec spec, Found found)
    {
        foreach (var request in spec.Requests)
        {
            if (request.AdminAccess)
                continue;
            var name = request.DeviceClassName;
            var selectors = SelectorsOf(request);
            if (!_table.IsDeviceClass(name, selectors))
            {
                if (_table.LooksLikeGpus(name))
                    found.Add(new(name, 1) { Part = DeviceShare.Unknown });
                continue;
            }
            var profile = selectors
                .Select(expression => Profile().Match(expression))
                .FirstOrDefault(match => match.Success)
                ?.Groups["profile"]
                .Value;
            var isMig =
                profile is not null
                || name.StartsWith("mig.", StringComparison.Ordinal)
                || selectors.Any(expression => MigType().IsMatch(expression));
            var count = request.All ? MostOnANode() : (int)Math.Clamp(request.Count, 1, MostDevices);
            found.Add(
                !isMig ? new GpuUnits(name, count) { Part = DeviceShare.Whole }
                : profile is null ? new(name, count) { Part = DeviceShare.Unknown }
                : new($"nvidia.com/mig-{profile.Replace('+', '.')}", count)
            );
        }
    }

    private string[] SelectorsOf(V1DeviceRequest request) =>
        [.. request.Selectors, .. Classes.Store.Get(null, request.DeviceClassName)?.Spec.Selectors ?? []];

    private int MostOnANode() =>
        Slices
            .Store.List()
            .Where(slice => slice.Spec.NodeName is { Length: > 0 })
            .GroupBy(slice => slice.Spec.NodeName, StringComparer.Ordinal)
            .Select(node => PublishedIn(node).Count(device => device.Share.IsWhole))
            .DefaultIfEmpty(1)
            .Max()
            is > 0
                and var most
            ? most
            : 1;

    /// <summary>Returns the devices of slices, of each pool those of its newest generation.</summary>
    private IEnumerable<DraDevice> PublishedIn(IEnumerable<V1ResourceSlice> slices) =>
        slices
            .GroupBy(slice => (slice.Spec.Driver, slice.Spec.Pool.Name))
            .SelectMany(pool => pool.Where(slice => slice.Spec.Pool.Generation == pool.Max(one => one.Spec.Pool.Generation)))
            .SelectMany(DevicesIn);

    private V1ResourceClaimSpec? TemplateOf(string ns, V1PodResourceClaim reference) =>
        reference.TemplateName is { } name ? Templates.Store.Get(ns, name)?.Spec.Spec : null;

    private DraDevice[] DevicesIn(V1ResourceSlice slice) =>
        !_table.IsDriver(slice.Spec.Driver)
            ? []
            : _published.GetValue(slice, static one =>
                [
                    .. one.Spec.Devices.Select(device =>
                        DraDevice.Create(
                            one.Spec.Driver,
                            one.Spec.Pool.Name,
                            device.Name,
                            device.Attributes,
                            device.Memory is { } text && KubernetesQuantity.TryParse(text, out var memory) ? memory.ToInt64() : 0
                        )
                    ),
                ]
            );

    private static IEnumerable<string> NodesOf(V1ResourceSlice slice) => slice.Spec.NodeName is { Length: > 0 } node ? [node] : [];

    private void Notify(V1ResourceSlice slice)
    {
        if (slice.Spec.NodeName is { Length: > 0 } node && _table.IsDriver(slice.Spec.Driver))
            DevicesChanged?.Invoke(node);
    }

    private void Notify(V1ResourceClaim claim) => ClaimChanged?.Invoke(claim);

    private void ReadClasses()
    {
        string[] resources =
        [
            .. Classes
                .Store.List()
                .Where(one => _configured.IsDeviceClass(one.Metadata.Name, one.Spec.Selectors))
                .SelectMany(one => new[] { one.Spec.ExtendedResourceName, $"deviceclass.resource.kubernetes.io/{one.Metadata.Name}" })
                .OfType<string>()
                .Order(StringComparer.Ordinal),
        ];
        _table = resources.Length == 0 ? _configured : _configured.With(resources);
    }

    // device.attributes['gpu.nvidia.com'].profile == '1g.10gb'
    [GeneratedRegex("profile\\s*==\\s*[\"'](?<profile>[0-9a-z.+]+)[\"']", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Profile();

    [GeneratedRegex("type\\s*==\\s*[\"']mig[\"']", RegexOptions.CultureInvariant)]
    private static partial Regex MigType();

    private sealed record ContainersReading(GpuResources Table, IReadOnlyList<V1Container> InitContainers, GpuRequest Request);

    private sealed record NodeReading(GpuResources Table, V1ResourceSlice[] Slices, NodeDevices Devices);

    /// <summary>The GPUs found in a pod's claims. Units with the same share of a card are added up.</summary>
    private sealed class Found
    {
        public List<GpuUnits> Units { get; } = [];

        public List<SharedClaim> Shared { get; } = [];

        public bool IsPending { get; set; }

        public void Add(GpuUnits units)
        {
            var same = Units.FindIndex(one => one with { Count = 0 } == units with { Count = 0 });
            if (same >= 0)
                Units[same] = Units[same] with { Count = Math.Min(Units[same].Count + units.Count, MostDevices) };
            else
                Units.Add(units);
        }

        public void AddAll(Found other)
        {
            foreach (var units in other.Units)
                Add(units);
            IsPending |= other.IsPending;
        }

        public GpuRequest With(GpuRequest request)
        {
            foreach (var units in request.Resources ?? [])
                Add(units);
            return new(Units.Count > 0 ? Units : null) { Claims = Shared.Count > 0 ? Shared : null, IsPending = IsPending };
        }
    }
}
