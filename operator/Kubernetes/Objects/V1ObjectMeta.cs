using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>Metadata of an object. Times are stored as ticks, because a nullable DateTimeOffset is three times as large.</summary>
[JsonConverter(typeof(V1ObjectMetaConverter))]
public sealed record V1ObjectMeta
{
    public static readonly V1ObjectMeta Empty = new();

    private long _created;
    private long _deleted;

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? Namespace { get; init; }

    public string Uid
    {
        get;
        init => field = value ?? "";
    } = "";

    public string ResourceVersion
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? GenerateName { get; init; }

    public long Generation { get; init; }

    public DateTimeOffset? CreationTimestamp
    {
        get => Wire.Time(_created);
        init => _created = Wire.Ticks(value);
    }

    public DateTimeOffset? DeletionTimestamp
    {
        get => Wire.Time(_deleted);
        init => _deleted = Wire.Ticks(value);
    }

    public IReadOnlyDictionary<string, string> Labels
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyDictionary<string, string> Annotations
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyList<V1OwnerReference> OwnerReferences
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<string> Finalizers
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>
    /// The fields of the whole object with an unexpected JSON type; empty for nearly every object. They read as absent unless they were
    /// converted. Not part of the JSON.
    /// </summary>
    public IReadOnlyList<MistypedField> MistypedFields { get; internal set; } = [];

    /// <summary>True if a field of the object could not be read.</summary>
    public bool IsUnreadable
    {
        get
        {
            foreach (MistypedField mistyped in MistypedFields)
                if (!mistyped.IsConverted)
                    return true;
            return false;
        }
    }

    /// <summary>Returns the owner that is the object's controller; null if there is none.</summary>
    public V1OwnerReference? ControllerReference()
    {
        foreach (V1OwnerReference owner in OwnerReferences)
            if (owner.Controller)
                return owner;
        return null;
    }

    /// <summary>Reads metadata. <paramref name="slim"/>, for pods, leaves out finalizers, generateName and most annotations.</summary>
    internal static V1ObjectMeta Read(ref Utf8JsonReader reader, bool slim)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        string? name = null,
            ns = null,
            uid = null,
            version = null,
            generateName = null;
        long generation = 0,
            created = 0,
            deleted = 0;
        StringMap labels = StringMap.Empty,
            annotations = StringMap.Empty;
        V1OwnerReference[] owners = [];
        string[] finalizers = [];
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                name = Wire.Text(ref reader);
            else if (reader.ValueTextEquals("namespace"u8))
                ns = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("uid"u8))
                uid = Wire.Text(ref reader);
            else if (reader.ValueTextEquals("resourceVersion"u8))
                version = Wire.Text(ref reader);
            else if (!slim && reader.ValueTextEquals("generateName"u8))
                generateName = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("generation"u8))
                generation = Wire.Long(ref reader);
            else if (reader.ValueTextEquals("creationTimestamp"u8))
                created = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("deletionTimestamp"u8))
                deleted = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("labels"u8))
                labels = Wire.Map(ref reader);
            else if (reader.ValueTextEquals("annotations"u8))
                annotations = Wire.Map(ref reader, slim ? ReadAnnotations.Contains : null);
            else if (reader.ValueTextEquals("ownerReferences"u8))
                owners = Wire.Array(ref reader, V1OwnerReference.Read);
            else if (!slim && reader.ValueTextEquals("finalizers"u8))
                finalizers = Wire.Array(ref reader, Wire.SharedItem);
            else
                Wire.Pass(ref reader);
        }

        return new V1ObjectMeta
        {
            Name = name!,
            Namespace = ns,
            Uid = uid!,
            ResourceVersion = version!,
            GenerateName = generateName,
            Generation = generation,
            Labels = SharedParts.Share(labels),
            Annotations = SharedParts.Share(annotations),
            OwnerReferences = SharedParts.Share(owners),
            Finalizers = finalizers,
            _created = created,
            _deleted = deleted,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        Wire.Write(writer, "name", Name);
        Wire.Write(writer, "generateName", GenerateName);
        Wire.Write(writer, "namespace", Namespace);
        Wire.Write(writer, "uid", Uid);
        Wire.Write(writer, "resourceVersion", ResourceVersion);
        if (Generation != 0)
            writer.WriteNumber("generation", Generation);
        Wire.WriteTime(writer, "creationTimestamp", _created);
        Wire.WriteTime(writer, "deletionTimestamp", _deleted);
        Wire.Write(writer, "labels", Labels);
        Wire.Write(writer, "annotations", Annotations);
        Wire.Write(writer, "ownerReferences", OwnerReferences, static (w, owner) => owner.Write(w));
        Wire.Write(writer, "finalizers", Finalizers, static (w, finalizer) => w.WriteStringValue(finalizer));
        writer.WriteEndObject();
    }
}

public sealed class V1ObjectMetaConverter : JsonConverter<V1ObjectMeta>
{
    public override V1ObjectMeta Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1ObjectMeta.Read(ref reader, slim: false);

    public override void Write(Utf8JsonWriter writer, V1ObjectMeta value, JsonSerializerOptions options) => value.Write(writer);
}
