using System.Collections.Frozen;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.ApiServer;

/// <summary>
/// The served kinds by group, version and plural: the built-in kinds, and the served versions of each CRD. Safe for concurrent use; reads
/// use an immutable snapshot without a lock.
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

    /// <summary>Raised after a CRD's kinds were added, changed or removed.</summary>
    public event Action? Changed;

    /// <summary>All served kinds, built-in first, then by CRD name.</summary>
    public IReadOnlyList<KindInfo> All => _snapshot.All;

    /// <summary>Increases with each change; used as an ETag for discovery and OpenAPI documents.</summary>
    public long Revision => _snapshot.Revision;

    public KindInfo? Find(string group, string version, string plural) => _snapshot.ByResource.GetValueOrDefault((group, version, plural));

    public KindInfo? FindByKind(string group, string version, string kind) => _snapshot.ByKind.GetValueOrDefault((group, version, kind));

    /// <summary>Returns any served version of this group and plural, preferably the storage version; null if there is none.</summary>
    public KindInfo? FindAnyVersion(string group, string plural) =>
        _snapshot.All.Where(k => k.Group == group && k.Plural == plural).OrderByDescending(k => k.IsStorage).FirstOrDefault();

    public bool IsServed(string group, string version) => _snapshot.GroupVersions.Contains((group, version));

    /// <summary>Replaces the kinds of a CRD; an empty list removes them.</summary>
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
