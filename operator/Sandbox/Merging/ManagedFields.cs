using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Merging;

/// <summary>A field manager: its name, the API version that it uses, and the subresource that it writes.</summary>
public sealed record FieldManager(string Name, string ApiVersion, string Subresource);

/// <summary>
/// Field ownership. Records the fields of each manager, and executes server-side apply with conflicts, force, and the removal of fields
/// that no manager owns any more. The rules are those of Kubernetes' structured merge.
/// </summary>
public static class ManagedFields
{
    private static readonly string[] Untracked =
    [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];

    /// <summary>Records an update or create in the new object's managedFields.</summary>
    public static void RecordUpdate(JsonObject? before, JsonObject after, TypeSchema schema, FieldManager manager, DateTimeOffset now)
    {
        var entries = Read(before ?? after);
        var (changed, removed) = TypedValue.Compare(before is null ? null : Tracked(before), Tracked(after), schema);
        Unrooted(changed);
        Unrooted(removed);
        var id = new EntryId(manager.Name, "Update", manager.ApiVersion, manager.Subresource);
        TakeFromOthers(entries, id, changed, removed, now);
        var own = entries.FirstOrDefault(e => e.Id == id);
        var fields = FieldSet.Union(FieldSet.Difference(own?.Fields ?? new FieldSet(), removed), changed);
        if (own is not null && FieldSet.Equal(own.Fields, fields) && changed.IsEmpty && removed.IsEmpty)
        {
            Write(after, entries);
            return;
        }

        entries.RemoveAll(e => e.Id == id);
        if (!fields.IsEmpty)
        {
            entries.Add(new Entry(id, fields, changed.IsEmpty && own is not null ? own.Time : Json.Timestamp(now)));
        }

        Write(after, entries);
    }

    /// <summary>Applies a configuration to the live object (null for a new one) and returns the result with its managedFields.</summary>
    /// <param name="complete">Adds defaults to the merged object before ownership is computed.</param>
    public static JsonObject Apply(
        JsonObject? live,
        JsonObject config,
        TypeSchema schema,
        FieldManager manager,
        bool force,
        DateTimeOffset now,
        Func<JsonObject, JsonObject> complete
    )
    {
        var stated = Tracked(config);
        var entries = live is null ? [] : Read(live);
        if (live is not null && live.At("metadata", "managedFields") is null)
        {
            // Fields without an owner at the first apply get a manager of their own, so that the apply conflicts with them.
            var unowned = TypedValue.Fields(Tracked(live), schema);
            unowned.IsMember = false;
            if (!unowned.IsEmpty)
            {
                entries.Add(new Entry(new EntryId("before-first-apply", "Update", manager.ApiVersion, ""), unowned, Json.Timestamp(now)));
            }
        }

        var id = new EntryId(manager.Name, "Apply", manager.ApiVersion, manager.Subresource);
        var last = entries.FirstOrDefault(e => e.Id.SameApplier(id));
        var set = TypedValue.Fields(stated, schema);
        set.IsMember = false;
        var merged = (JsonObject)TypedValue.Merge(live ?? [], WithoutUntracked(config), schema)!;
        entries.RemoveAll(e => e.Id.SameApplier(id));
        if (last is not null)
        {
            var owned = entries.Aggregate(set, (all, e) => FieldSet.Union(all, e.Fields));
            var gone = FieldSet.Difference(TypedValue.WithParents(last.Fields, schema), TypedValue.WithParents(owned, schema));
            merged = (JsonObject)TypedValue.Without(merged, gone, schema)!;
        }

        merged = complete(merged);
        var (changed, removed) = TypedValue.Compare(live is null ? null : Tracked(live), Tracked(merged), schema);
        Unrooted(changed);
        Unrooted(removed);
        if (!force)
        {
            Refuse(entries, changed);
        }

        TakeFromOthers(entries, id, changed, removed, now);
        var same = last is not null && FieldSet.Equal(last.Fields, set) && changed.IsEmpty && removed.IsEmpty;
        if (!set.IsEmpty)
        {
            entries.Add(new Entry(id, set, same ? last!.Time : Json.Timestamp(now)));
        }

        Write(merged, entries);
        return merged;
    }

    /// <summary>Returns the object without the fields that are not tracked.</summary>
    public static JsonObject Tracked(JsonObject obj)
    {
        var result = obj.Copy();
        result.Remove("apiVersion");
        result.Remove("kind");
        if (result.At("metadata") is JsonObject metadata)
        {
            foreach (var key in Untracked)
            {
                metadata.Remove(key);
            }

            if (metadata.Count == 0)
            {
                result.Remove("metadata");
            }
        }

        return result;
    }

    /// <summary>Removes the root and metadata themselves, which have no owner.</summary>
    private static void Unrooted(FieldSet set)
    {
        set.IsMember = false;
        if (set.Find("f:metadata") is { } metadata)
        {
            metadata.IsMember = false;
        }
    }

    private static JsonObject WithoutUntracked(JsonObject config)
    {
        var result = config.Copy();
        if (result.At("metadata") is JsonObject metadata)
        {
            foreach (var key in Untracked)
            {
                if (key is not ("name" or "namespace"))
                {
                    metadata.Remove(key);
                }
            }
        }

        return result;
    }

    private static void TakeFromOthers(List<Entry> entries, EntryId self, FieldSet changed, FieldSet removed, DateTimeOffset now)
    {
        for (var i = entries.Count - 1; i >= 0; i--)
        {
            var entry = entries[i];
            if (entry.Id == self)
            {
                continue;
            }

            var rest = FieldSet.Difference(FieldSet.Difference(entry.Fields, changed), removed);
            if (rest.IsEmpty)
            {
                entries.RemoveAt(i);
            }
            else if (!FieldSet.Equal(rest, entry.Fields))
            {
                entries[i] = entry with { Fields = rest, Time = Json.Timestamp(now) };
            }
        }
    }

    private static void Refuse(List<Entry> entries, FieldSet changed)
    {
        var conflicts = entries
            .Select(e => (Manager: e.Shown, Paths: FieldSet.Intersection(e.Fields, changed).Paths().ToList()))
            .Where(c => c.Paths.Count > 0)
            .OrderBy(c => c.Manager, StringComparer.Ordinal)
            .ToList();
        if (conflicts.Count == 0)
        {
            return;
        }

        var count = conflicts.Sum(c => c.Paths.Count);
        var message =
            count == 1
                ? $"Apply failed with 1 conflict: conflict with {conflicts[0].Manager}: {conflicts[0].Paths[0]}"
                : $"Apply failed with {count} conflicts: {string.Join("\n", conflicts.Select(c => $"conflicts with {c.Manager}:\n{string.Join("\n", c.Paths.Select(p => $"- {p}"))}"))}";
        var causes = new JsonArray();
        foreach (var (owner, paths) in conflicts)
        {
            foreach (var path in paths)
            {
                causes.Add(
                    (JsonNode)
                        new JsonObject
                        {
                            ["reason"] = "FieldManagerConflict",
                            ["message"] = $"conflict with {owner}",
                            ["field"] = path,
                        }
                );
            }
        }

        throw new ApiError(409, "Conflict", message, new JsonObject { ["causes"] = causes });
    }

    private static List<Entry> Read(JsonObject obj)
    {
        var result = new List<Entry>();
        foreach (var entry in obj.Objects("metadata", "managedFields"))
        {
            if (entry.Text("manager") is null && entry.At("fieldsV1") is null)
            {
                continue;
            }

            result.Add(
                new Entry(
                    new EntryId(
                        entry.Text("manager") ?? "",
                        entry.Text("operation") ?? "Update",
                        entry.Text("apiVersion") ?? "",
                        entry.Text("subresource") ?? ""
                    ),
                    FieldSet.Parse(entry.At("fieldsV1")),
                    entry.Text("time")
                )
            );
        }

        return result;
    }

    private static void Write(JsonObject obj, List<Entry> entries)
    {
        var metadata = obj.Child("metadata");
        if (entries.Count == 0)
        {
            metadata.Remove("managedFields");
            return;
        }

        var list = new JsonArray();
        foreach (
            var entry in entries
                .OrderBy(e => e.Id.Operation == "Apply" ? 0 : 1)
                .ThenBy(e => e.Time, StringComparer.Ordinal)
                .ThenBy(e => e.Id.Manager, StringComparer.Ordinal)
        )
        {
            var shown = new JsonObject
            {
                ["manager"] = entry.Id.Manager,
                ["operation"] = entry.Id.Operation,
                ["apiVersion"] = entry.Id.ApiVersion,
            };
            if (entry.Time is not null)
            {
                shown["time"] = entry.Time;
            }

            shown["fieldsType"] = "FieldsV1";
            shown["fieldsV1"] = entry.Fields.ToJson();
            if (entry.Id.Subresource.Length > 0)
            {
                shown["subresource"] = entry.Id.Subresource;
            }

            list.Add((JsonNode)shown);
        }

        metadata["managedFields"] = list;
    }

    private sealed record EntryId(string Manager, string Operation, string ApiVersion, string Subresource)
    {
        /// <summary>True for the same applier, also with another API version, so that it keeps its fields.</summary>
        public bool SameApplier(EntryId other) =>
            Operation == "Apply" && other.Operation == "Apply" && Manager == other.Manager && Subresource == other.Subresource;
    }

    private sealed record Entry(EntryId Id, FieldSet Fields, string? Time)
    {
        public string Shown
        {
            get
            {
                var name = Json.Quote(Id.Manager);
                if (Id.Subresource.Length > 0)
                {
                    name = $"{name} with subresource {Json.Quote(Id.Subresource)}";
                }

                return Id.Operation == "Apply" ? name
                    : Time is null ? $"{name} using {Id.ApiVersion}"
                    : $"{name} using {Id.ApiVersion} at {Time}";
            }
        }
    }
}
