using System.Collections.Frozen;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.ApiServer;

/// <summary>
/// The kinds the server serves, by group, version and plural. Built-in kinds are given at the start; each CRD contributes
/// its served versions under its own name and takes them away when it goes. Reads are lock-free over an immutable snapshot.
/// </summary>
public sealed class KindRegistry
{
    private readonly Lock _gate = new();
    private readonly IReadOnlyList<KindInfo> _builtIn;
    private readonly SortedDictionary<string, IReadOnlyList<KindInfo>> _custom = new(StringComparer.Ordinal);
    private volatile Snapshot _snapshot;

    public KindRegistry(IReadOnlyList<KindInfo> builtIn)
    {
        _builtIn = builtIn;
        _snapshot = new Snapshot(builtIn, 1);
    }

    /// <summary>Raised after a CRD's kinds were added, changed or removed; the new snapshot is already visible.</summary>
    public event Action? Changed;

    /// <summary>Every served kind, built-in first, then by CRD name.</summary>
    public IReadOnlyList<KindInfo> All => _snapshot.All;

    /// <summary>Grows with every change: an ETag for discovery and OpenAPI documents.</summary>
    public long Revision => _snapshot.Revision;

    /// <summary>The kind served at this group, version and plural, or null.</summary>
    public KindInfo? Find(string group, string version, string plural) => _snapshot.ByResource.GetValueOrDefault((group, version, plural));

    /// <summary>The kind of this group, version and Kind, or null.</summary>
    public KindInfo? FindByKind(string group, string version, string kind) => _snapshot.ByKind.GetValueOrDefault((group, version, kind));

    /// <summary>Any served version of this group and plural (built-in, or the storage version first), or null.</summary>
    public KindInfo? FindAnyVersion(string group, string plural) =>
        _snapshot.All.Where(k => k.Group == group && k.Plural == plural).OrderByDescending(k => k.IsStorage).FirstOrDefault();

    /// <summary>Whether anything is served at this group and version.</summary>
    public bool IsServed(string group, string version) => _snapshot.GroupVersions.Contains((group, version));

    /// <summary>Replaces the kinds that the CRD of this name contributes; an empty list takes them away.</summary>
    public void Set(string crdName, IReadOnlyList<KindInfo> kinds)
    {
        lock (_gate)
        {
            if (kinds.Count == 0)
            {
                if (!_custom.Remove(crdName))
                {
                    return;
                }
            }
            else
            {
                _custom[crdName] = kinds;
            }

            _snapshot = new Snapshot([.. _builtIn, .. _custom.Values.SelectMany(k => k)], _snapshot.Revision + 1);
        }

        Changed?.Invoke();
    }

    private sealed class Snapshot
    {
        public Snapshot(IReadOnlyList<KindInfo> all, long revision)
        {
            All = all;
            Revision = revision;
            ByResource = all.ToFrozenDictionary(k => (k.Group, k.Version, k.Plural));
            ByKind = all.ToFrozenDictionary(k => (k.Group, k.Version, k.Kind));
            GroupVersions = all.Select(k => (k.Group, k.Version)).ToFrozenSet();
        }

        public IReadOnlyList<KindInfo> All { get; }

        public long Revision { get; }

        public FrozenDictionary<(string, string, string), KindInfo> ByResource { get; }

        public FrozenDictionary<(string, string, string), KindInfo> ByKind { get; }

        public FrozenSet<(string, string)> GroupVersions { get; }
    }
}
