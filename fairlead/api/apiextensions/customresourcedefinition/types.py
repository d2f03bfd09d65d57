"""CustomResourceDefinition: names, versions, schemas and conversion of a kind that users add."""

from typing import Annotated

from msgspec import field

from fairlead.api.apiextensions.customresourcedefinition.jsonschema import JSONSchemaProps
from fairlead.api.meta.types import Object, Record
from fairlead.machinery.schemas.markers import Atomic, Doc, Format, ListMap, Required


class CustomResourceDefinitionNames(Record):
    """Names of a custom resource in discovery, paths and on the command line."""

    plural: Annotated[str, Doc("Name of the resource in paths, in lower case, such as crontabs.")] = field(
        default_factory=str
    )
    singular: Annotated[str, Doc("Name of a single object, in lower case; the kind in lower case if absent.")] = ""
    shortNames: Annotated[list[str], Atomic(), Doc("Short names that clients accept, such as ct.")] = []
    kind: Annotated[str, Doc("Kind of the objects, in CamelCase, such as CronTab.")] = field(default_factory=str)
    listKind: Annotated[str, Doc("Kind of lists of the objects; the kind with List behind it if absent.")] = ""
    categories: Annotated[
        list[str], Atomic(), Doc("Groups of resources that the resource is listed with, such as all.")
    ] = []


class CustomResourceValidation(Record):
    """Schema that objects of a version must fit."""

    openAPIV3Schema: Annotated[
        JSONSchemaProps | None, Doc("Schema of the objects of the version; must be structural.")
    ] = None


class CustomResourceSubresourceStatus(Record):
    """Switch that turns the status subresource on."""


class CustomResourceSubresourceScale(Record):
    """Fields of an object that the scale subresource reads and writes."""

    specReplicasPath: Annotated[
        str, Doc("Path below .spec to the desired number of replicas, such as .spec.replicas.")
    ] = ""
    statusReplicasPath: Annotated[str, Doc("Path below .status to the present number of replicas.")] = ""
    labelSelectorPath: Annotated[
        str | None, Doc("Path below .spec or .status to the label selector of the replicas, as a string.")
    ] = None


class CustomResourceSubresources(Record):
    """Subresources that a version has beside the objects themselves."""

    status: Annotated[
        CustomResourceSubresourceStatus | None,
        Doc("Present if the version has /status, which alone writes the field status."),
    ] = None
    scale: Annotated[
        CustomResourceSubresourceScale | None, Doc("Present if the version has /scale, with the paths to the fields.")
    ] = None


class CustomResourceColumnDefinition(Record):
    """Column of the table that kubectl get prints."""

    name: Annotated[str, Doc("Title of the column, as kubectl prints it.")] = ""
    type: Annotated[str, Doc("Type of the values: integer, number, string, boolean or date.")] = ""
    format: Annotated[str, Doc("Format of the values, such as int32 or date-time; for documentation.")] = ""
    description: Annotated[str, Doc("Description of the column for readers of the API.")] = ""
    priority: Annotated[int, Doc("Importance of the column; those above 0 are shown in wide output only.")] = 0
    jsonPath: Annotated[str, Doc("Simple JSON path to the value in the object, such as .spec.replicas.")] = ""


class SelectableField(Record):
    """Field by which objects can be selected."""

    jsonPath: Annotated[str, Doc("Path to a field of type string, boolean or integer, such as .spec.color.")] = ""


class CustomResourceDefinitionVersion(Record):
    """Version of a custom resource: its schema, subresources and columns."""

    name: Annotated[str, Doc("Name of the version in paths, such as v1 or v1beta1.")] = ""
    served: Annotated[bool, Doc("True if clients can use the version.")] = field(default_factory=bool)
    storage: Annotated[bool, Doc("True for the version in which objects are stored; exactly one version.")] = field(
        default_factory=bool
    )
    deprecated: Annotated[bool, Doc("True if requests for the version are answered with a warning.")] = False
    deprecationWarning: Annotated[
        str | None, Doc("Text of the warning of a deprecated version; a standard text if absent.")
    ] = None
    schema: Annotated[CustomResourceValidation | None, Doc("Schema that prunes, fills in and validates objects.")] = (
        None
    )
    subresources: Annotated[
        CustomResourceSubresources | None, Doc("Subresources of the version: status and scale.")
    ] = None
    additionalPrinterColumns: Annotated[
        list[CustomResourceColumnDefinition], Atomic(), Doc("Columns that kubectl get prints after the name.")
    ] = []
    selectableFields: Annotated[
        list[SelectableField], Atomic(), Doc("Fields that field selectors may use; at most eight.")
    ] = []


class ServiceReference(Record):
    """Service that runs a webhook."""

    namespace: Annotated[str, Doc("Namespace of the Service that runs the webhook.")] = ""
    name: Annotated[str, Doc("Name of the Service that runs the webhook.")] = ""
    path: Annotated[str | None, Doc("Path of the URL at which the webhook listens.")] = None
    port: Annotated[int | None, Doc("Port of the Service; 443 if absent.")] = None


class WebhookClientConfig(Record):
    """Address of a webhook: either a URL or a Service."""

    url: Annotated[str | None, Doc("Address of the webhook as an https URL, instead of a Service.")] = None
    service: Annotated[ServiceReference | None, Doc("Service that runs the webhook, instead of a URL.")] = None
    caBundle: Annotated[
        str, Format("byte"), Doc("Certificates (PEM) that the webhook's certificate is checked against.")
    ] = ""


class WebhookConversion(Record):
    """Webhook that converts objects between versions."""

    clientConfig: Annotated[WebhookClientConfig | None, Doc("Address of the webhook that converts the objects.")] = None
    conversionReviewVersions: Annotated[
        list[str], Atomic(), Required(), Doc("Versions of ConversionReview that the webhook understands, best first.")
    ] = []


class CustomResourceConversion(Record):
    """Conversion of objects between versions."""

    strategy: Annotated[str, Doc("Way of conversion: None (only apiVersion changes) or Webhook.")] = ""
    webhook: Annotated[WebhookConversion | None, Doc("Webhook to call; required for the strategy Webhook.")] = None


class CustomResourceDefinitionSpec(Record):
    """Names, scope and versions of a custom resource."""

    group: Annotated[str, Doc("API group of the resource, a domain name such as example.com.")] = ""
    names: Annotated[CustomResourceDefinitionNames, Required(), Doc("Names of the resource and of its kind.")] = field(
        default_factory=CustomResourceDefinitionNames
    )
    scope: Annotated[str, Doc("Scope of the objects: Namespaced or Cluster.")] = ""
    versions: Annotated[
        list[CustomResourceDefinitionVersion], Atomic(), Doc("Versions of the resource, one of which is stored.")
    ] = []
    conversion: Annotated[
        CustomResourceConversion | None, Doc("Conversion of objects between versions; None if absent.")
    ] = None
    preserveUnknownFields: Annotated[
        bool, Doc("Must be false; x-kubernetes-preserve-unknown-fields in the schema keeps unknown fields.")
    ] = False


class CustomResourceDefinitionCondition(Record):
    """Observed condition of a definition."""

    type: Annotated[str, Doc("Type of the condition, such as Established, NamesAccepted or Terminating.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""
    lastTransitionTime: Annotated[str | None, Format("date-time"), Doc("Time at which the status last changed.")] = None
    reason: Annotated[str, Doc("Reason of the last change of the status, one word in CamelCase.")] = ""
    message: Annotated[str, Doc("Details of the last change of the status, for readers.")] = ""
    observedGeneration: Annotated[
        int, Format("int64"), Doc("Generation of the definition that the condition was set for.")
    ] = 0


class CustomResourceDefinitionStatus(Record):
    """State of a definition as the server has observed it."""

    conditions: Annotated[
        list[CustomResourceDefinitionCondition],
        ListMap(keys=("type",)),
        Doc("Conditions of the definition: whether names are accepted and the resource is served."),
    ] = []
    acceptedNames: Annotated[
        CustomResourceDefinitionNames, Doc("Names under which the resource is served; conflicting ones are left out.")
    ] = field(default_factory=CustomResourceDefinitionNames)
    storedVersions: Annotated[
        list[str], Atomic(), Doc("Versions in which objects were ever stored; they must stay in the definition.")
    ] = []
    observedGeneration: Annotated[
        int, Format("int64"), Doc("Generation of the definition that the server acted on.")
    ] = 0


class CustomResourceDefinition(Object):
    """Definition of a kind that users add to the API: names, versions and schemas."""

    spec: Annotated[CustomResourceDefinitionSpec, Doc("Names, scope, versions and schemas of the resource.")] = field(
        default_factory=CustomResourceDefinitionSpec
    )
    status: Annotated[CustomResourceDefinitionStatus, Doc("State of the definition as the server has observed it.")] = (
        field(default_factory=CustomResourceDefinitionStatus)
    )
